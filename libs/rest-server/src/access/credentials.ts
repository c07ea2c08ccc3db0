import { createHash } from 'node:crypto';

import { AppError, type Clock } from '@sightline/kernel';
import type { FastifyRequest } from 'fastify';

import type { Principal } from './caller.js';
import { FailedAttempts } from './failed-attempts.js';

/** Credentials that were good lately, by digest: an address that others share is not shut for them. */
const REMEMBERED = 10_000;

/** The token of `Authorization: Bearer …` (RFC 6750, 2.1), or undefined. A token with claims may be some kilobytes long. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(header ?? '')?.[1];
}

/** What a request without valid credentials is answered. */
export function unauthenticated(): AppError {
  return new AppError('ACCESS.UNAUTHENTICATED', 'Send a valid API key or token: Authorization: Bearer …');
}

/** Looks at credentials, and no more for an address that has sent too many bad ones. */
export class CredentialChecks {
  readonly #failures: FailedAttempts;
  readonly #good = new Set<string>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#failures = new FailedAttempts(clock);
  }

  /**
   * @param identify finds out whose the request's credentials are; throws `ACCESS.UNAUTHENTICATED` when nobody's
   * @throws AppError `REQUEST.RATE_LIMITED` (retryable) for an address that failed too often, and what `identify` throws
   */
  async check(
    { headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>,
    identify: () => Promise<Principal>,
  ): Promise<Principal> {
    const name = createHash('sha256')
      .update(headers.authorization ?? '')
      .digest('base64url');
    const waitMs = this.#failures.waitMs(ip);
    if (waitMs !== undefined && !this.#good.has(name)) {
      throw new AppError('REQUEST.RATE_LIMITED', 'Too many requests from this address had no valid credentials.', {
        retryable: true,
        details: { retryAfterSeconds: waitMs / 1000 },
      });
    }
    try {
      const principal = await identify();
      this.#remember(name);
      return principal;
    } catch (error) {
      if (error instanceof AppError && error.code === 'ACCESS.UNAUTHENTICATED') this.#failures.failed(ip);
      throw error;
    }
  }

  #remember(name: string): void {
    this.#good.delete(name);
    this.#good.add(name);
    const [longest] = this.#good;
    if (this.#good.size > REMEMBERED && longest !== undefined) this.#good.delete(longest);
  }
}
