import { AppError, type Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';

import type { CloudApiConfig } from '../config.js';
import { digestsEqual, sha256 } from '../platform/digests.js';
import { CLOCK, CONFIG } from '../platform/tokens.js';
import { Devices } from '../devices/devices.js';
import { basicCredentials, bearerToken } from './api-key.js';
import { ApiKeys } from './api-keys.js';
import type { Caller, Principal } from './caller.js';
import { ExternalTokens } from './external-tokens.js';
import { FailedAttempts } from './failed-attempts.js';
import { IssuedTokens, TOKEN_ISSUER } from './issued-tokens.js';
import { Tenants } from './tenants.js';

/** Credentials that were good lately, by digest: an address that others share is not shut for them. */
const REMEMBERED = 10_000;
/** Three parts of base64url, the first of them a JSON object (RFC 7515, 3.1). */
const jwt = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** Finds out who makes a request. */
@Injectable()
export class Authentication {
  readonly #failures: FailedAttempts;
  readonly #external: ExternalTokens | undefined;
  readonly #platformKey: Uint8Array | undefined;
  readonly #good = new Set<string>();

  constructor(
    @Inject(CONFIG) config: CloudApiConfig,
    @Inject(CLOCK) clock: Clock,
    private readonly apiKeys: ApiKeys,
    private readonly issuedTokens: IssuedTokens,
    private readonly tenants: Tenants,
    private readonly devices: Devices,
  ) {
    this.#failures = new FailedAttempts(clock);
    this.#external = config.access?.identityProvider && new ExternalTokens(config.access.identityProvider, clock);
    this.#platformKey = config.access?.platformKey === undefined ? undefined : sha256(config.access.platformKey);
  }

  /**
   * @throws AppError `ACCESS.UNAUTHENTICATED`, `ACCESS.FORBIDDEN`, `ACCESS.TENANT_SUSPENDED`, `ACCESS.KEYS_UNAVAILABLE`
   *   (retryable), `REQUEST.RATE_LIMITED` (retryable) for an address that failed too often
   */
  async principalOf({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): Promise<Principal> {
    const { authorization } = headers;
    const device = basicCredentials(authorization);
    const token = bearerToken(authorization);
    if (token === undefined && device === undefined) throw unauthenticated();
    const digest = sha256(authorization ?? '');
    const name = Buffer.from(digest).toString('base64url');
    const waitMs = this.#failures.waitMs(ip);
    if (waitMs !== undefined && !this.#good.has(name)) {
      throw new AppError('REQUEST.RATE_LIMITED', 'Too many requests from this address had no valid credentials.', {
        retryable: true,
        details: { retryAfterSeconds: waitMs / 1000 },
      });
    }
    try {
      const principal = device ? await this.#device(device) : await this.#identify(token ?? '');
      this.#remember(name);
      return principal;
    } catch (error) {
      if (error instanceof AppError && error.code === 'ACCESS.UNAUTHENTICATED') this.#failures.failed(ip);
      throw error;
    }
  }

  /** A box, by what it shows to the broker as well. */
  async #device(credentials: { readonly username: string; readonly password: string }): Promise<Principal> {
    const identity = await this.devices.verify(credentials.username, credentials.password);
    if (identity === undefined) throw unauthenticated();
    const { tenantId, deviceId } = identity;
    const caller: Caller = { tenantId, deviceId, actor: `device:${deviceId}`, roles: ['device'] };
    return { kind: 'tenant', credential: 'device', caller };
  }

  async #identify(token: string): Promise<Principal> {
    if (this.#platformKey !== undefined && digestsEqual(this.#platformKey, sha256(token))) return { kind: 'platform' };
    if (jwt.test(token)) return { kind: 'tenant', credential: 'token', caller: await this.#callerOfToken(token) };
    const caller = await this.apiKeys.callerOf(token);
    if (caller === undefined) throw unauthenticated();
    return { kind: 'tenant', credential: 'key', caller };
  }

  async #callerOfToken(token: string): Promise<Caller> {
    if (issuerOf(token) === TOKEN_ISSUER) {
      const caller = await this.apiKeys.callerById(await this.issuedTokens.verify(token));
      if (caller === undefined) throw unauthenticated();
      return caller;
    }
    const claims = await this.#external?.verify(token);
    if (claims === undefined || !(await this.tenants.isOpen(claims.tenantId))) throw unauthenticated();
    return claims;
  }

  #remember(name: string): void {
    this.#good.delete(name);
    this.#good.add(name);
    const [longest] = this.#good;
    if (this.#good.size > REMEMBERED && longest !== undefined) this.#good.delete(longest);
  }
}

function unauthenticated(): AppError {
  return new AppError('ACCESS.UNAUTHENTICATED', 'Send a valid API key or token: Authorization: Bearer …');
}

/** Who a token says that it is of, before anything of it is verified. */
function issuerOf(token: string): unknown {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
