import { readFile } from 'node:fs/promises';
import { pathToFileURL, fileURLToPath } from 'node:url';

import { AppError, type Clock } from '@sightline/kernel';
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type RemoteJWKSet } from 'jose';

import { readClaims, type ClaimNames, type TokenClaims } from './token-claims.js';

/** Whose tokens are taken besides our own. */
export interface IdentityProviderConfig {
  readonly issuer: string;
  readonly audience: string;
  /** Its JSON Web Key Set (RFC 7517): an address, or a file that somebody keeps up to date. */
  readonly jwks: { readonly url: string } | { readonly file: string };
  readonly claims: ClaimNames;
  /** How far its clock and ours may be apart, s. */
  readonly clockSkewSeconds: number;
}

/**
 * Signatures by a private key that the provider alone has. Never `none`, and no HMAC, with which a public key would pass
 * for a secret (RFC 8725, 2.1 and 3.1).
 */
export const asymmetricAlgorithms: readonly string[] = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  ...['PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
];

/** Keys are asked for anew when they are this old, ms, and for an unknown key id at most this often. */
const KEYS_MAX_AGE_MS = 600_000;
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_TIMEOUT_MS = 5_000;

/** Verifies the tokens of an identity provider against its published keys. */
export class ExternalTokens {
  readonly #keys: RemoteJWKSet;

  constructor(
    private readonly config: IdentityProviderConfig,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {
    const { jwks } = config;
    const url = 'url' in jwks ? new URL(jwks.url) : pathToFileURL(jwks.file);
    this.#keys = createRemoteJWKSet(url, {
      ...{ timeoutDuration: KEYS_TIMEOUT_MS, cooldownDuration: KEYS_COOLDOWN_MS, cacheMaxAge: KEYS_MAX_AGE_MS },
      ...('file' in jwks && {
        [customFetch]: async (path: string) => new Response(await readFile(fileURLToPath(path))),
      }),
    });
  }

  /**
   * @throws AppError `ACCESS.UNAUTHENTICATED` for a token that is not valid, `ACCESS.KEYS_UNAVAILABLE` (retryable) while
   *   the keys cannot be had, `ACCESS.FORBIDDEN` without a role of ours
   */
  async verify(token: string): Promise<TokenClaims> {
    const { issuer, audience, clockSkewSeconds, claims } = this.config;
    const { payload } = await jwtVerify(token, (header, input) => this.#keyOf(header, input), {
      ...{ issuer, audience, algorithms: [...asymmetricAlgorithms], clockTolerance: clockSkewSeconds },
      ...{ requiredClaims: ['sub', 'exp'], currentDate: new Date(this.clock.wallMs()) },
    }).catch((error: unknown) => {
      throw error instanceof AppError ? error : invalidToken(error);
    });
    return readClaims(payload, claims);
  }

  async #keyOf(...[header, input]: Parameters<RemoteJWKSet>): ReturnType<RemoteJWKSet> {
    try {
      return await this.#keys(header, input);
    } catch (error) {
      if (aboutTheToken.some((kind) => error instanceof kind)) throw error;
      // Whatever else it is: the provider cannot be asked, and its tokens are neither good nor bad.
      throw new AppError('ACCESS.KEYS_UNAVAILABLE', 'The keys of the identity provider cannot be had.', {
        retryable: true,
        cause: error,
      });
    }
  }
}

const aboutTheToken = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported];

/** A refusal that tells an expired token from another, and nothing of what was in it. */
export function invalidToken(cause: unknown): AppError {
  const sentence = cause instanceof errors.JWTExpired ? 'The token has expired.' : 'The token is not valid here.';
  return new AppError('ACCESS.UNAUTHENTICATED', sentence, { cause });
}
