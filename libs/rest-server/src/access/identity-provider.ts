import { AppError } from '@sightline/kernel';
import { z } from 'zod';

import type { IdentityProviderConfig } from './external-tokens.js';

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);
/** Keys that come without TLS could be anybody's. */
const isTrustworthy = (url: string): boolean => url.startsWith('https:') || loopback.has(new URL(url).hostname);
const claimName = z.string().min(1).max(200);

/** The address of keys, or of who publishes them: https, or a program on this machine. */
export const trustworthyUrlSchema = z
  .url({ protocol: /^https?$/ })
  .refine(isTrustworthy, 'https, or an address of this machine');

/** What of the environment is about an identity provider. */
export const identityProviderEnvironment = {
  SIGHTLINE_JWT_ISSUER: z.string().min(1).optional(),
  SIGHTLINE_JWT_AUDIENCE: z.string().min(1).optional(),
  SIGHTLINE_JWT_JWKS_URL: trustworthyUrlSchema.optional(),
  SIGHTLINE_JWT_JWKS_FILE: z.string().min(1).optional(),
  SIGHTLINE_JWT_TENANT_CLAIM: claimName.default('tenant'),
  SIGHTLINE_JWT_ROLE_CLAIM: claimName.default('role'),
  SIGHTLINE_JWT_DEVICE_CLAIM: claimName.default('device'),
  SIGHTLINE_JWT_CLOCK_SKEW_SECONDS: z.coerce.number().int().min(0).max(300).default(30),
};

type IdentityProviderValues = z.output<z.ZodObject<typeof identityProviderEnvironment>>;

/**
 * @returns undefined when no provider is named
 * @throws AppError `CONFIG.INVALID` when one is named by half
 */
export function identityProviderFrom(value: IdentityProviderValues): IdentityProviderConfig | undefined {
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
