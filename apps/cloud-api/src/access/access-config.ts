import { AppError } from '@sightline/kernel';
import { z } from 'zod';

import type { IdentityProviderConfig } from './external-tokens.js';

/** Requests that are answered in a minute. */
export interface RequestLimits {
  readonly perCaller: number;
  readonly perTenant: number;
}

/** Who is let in, besides the API keys in the database. */
export interface AccessConfig {
  /** The key that manages tenants. Without it nobody does. */
  readonly platformKey?: string | undefined;
  /** Without one only our own tokens are taken. */
  readonly identityProvider?: IdentityProviderConfig | undefined;
  /** Default: 6,000 for each caller and 30,000 for each tenant. */
  readonly requestsPerMinute?: RequestLimits | undefined;
  /** Addresses and networks (CIDR), with commas between them, whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: string | undefined;
}

export const defaultRequestLimits: RequestLimits = { perCaller: 6_000, perTenant: 30_000 };

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);
/** Keys that come without TLS could be anybody's. */
const isTrustworthy = (url: string): boolean => url.startsWith('https:') || loopback.has(new URL(url).hostname);
const claimName = z.string().min(1).max(200);

/** What of the environment is about access. */
export const accessEnvironment = {
  SIGHTLINE_PLATFORM_KEY: z.string().min(24, 'at least 24 characters').optional(),
  SIGHTLINE_JWT_ISSUER: z.string().min(1).optional(),
  SIGHTLINE_JWT_AUDIENCE: z.string().min(1).optional(),
  SIGHTLINE_JWT_JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .refine(isTrustworthy, 'https, or an address of this machine')
    .optional(),
  SIGHTLINE_JWT_JWKS_FILE: z.string().min(1).optional(),
  SIGHTLINE_JWT_TENANT_CLAIM: claimName.default('tenant'),
  SIGHTLINE_JWT_ROLE_CLAIM: claimName.default('role'),
  SIGHTLINE_JWT_DEVICE_CLAIM: claimName.default('device'),
  SIGHTLINE_JWT_CLOCK_SKEW_SECONDS: z.coerce.number().int().min(0).max(300).default(30),
  SIGHTLINE_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).default(defaultRequestLimits.perCaller),
  SIGHTLINE_TENANT_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).default(defaultRequestLimits.perTenant),
  SIGHTLINE_TRUSTED_PROXIES: z
    .string()
    .regex(/^[0-9a-f.:/]+(?:,[0-9a-f.:/]+)*$/i, 'addresses or networks, with commas between them')
    .optional(),
};

type AccessValues = z.output<z.ZodObject<typeof accessEnvironment>>;

/**
 * @throws AppError `CONFIG.INVALID` when an identity provider is named by half
 */
export function accessFrom(value: AccessValues): AccessConfig {
  return {
    platformKey: value.SIGHTLINE_PLATFORM_KEY,
    identityProvider: identityProviderFrom(value),
    requestsPerMinute: {
      perCaller: value.SIGHTLINE_REQUESTS_PER_MINUTE,
      perTenant: value.SIGHTLINE_TENANT_REQUESTS_PER_MINUTE,
    },
    trustedProxies: value.SIGHTLINE_TRUSTED_PROXIES,
  };
}

function identityProviderFrom(value: AccessValues): IdentityProviderConfig | undefined {
  const { SIGHTLINE_JWT_ISSUER: issuer, SIGHTLINE_JWT_AUDIENCE: audience } = value;
  const { SIGHTLINE_JWT_JWKS_URL: url, SIGHTLINE_JWT_JWKS_FILE: file } = value;
  if ((issuer ?? audience ?? url ?? file) === undefined) return undefined;
  const jwks = url === undefined ? file !== undefined && { file } : file === undefined && { url };
  if (issuer === undefined || audience === undefined || jwks === false) {
    const keys = ['SIGHTLINE_JWT_ISSUER', 'SIGHTLINE_JWT_AUDIENCE', 'SIGHTLINE_JWT_JWKS_URL'];
    throw new AppError(
      'CONFIG.INVALID',
      `Tokens need ${keys.join(', ')} (or SIGHTLINE_JWT_JWKS_FILE in its place), all of them.`,
      { details: { keys } },
    );
  }
  return {
    ...{ issuer, audience, jwks, clockSkewSeconds: value.SIGHTLINE_JWT_CLOCK_SKEW_SECONDS },
    claims: {
      tenant: value.SIGHTLINE_JWT_TENANT_CLAIM,
      role: value.SIGHTLINE_JWT_ROLE_CLAIM,
      device: value.SIGHTLINE_JWT_DEVICE_CLAIM,
    },
  };
}
