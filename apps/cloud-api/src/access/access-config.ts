import { identityProviderEnvironment, identityProviderFrom, type IdentityProviderConfig } from '@sightline/rest-server';
import { z } from 'zod';

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

/** What of the environment is about access. */
export const accessEnvironment = {
  SIGHTLINE_PLATFORM_KEY: z.string().min(24, 'at least 24 characters').optional(),
  ...identityProviderEnvironment,
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
