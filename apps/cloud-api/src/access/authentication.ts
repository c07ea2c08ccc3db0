import type { Clock } from '@sightline/kernel';
import {
  bearerToken,
  CredentialChecks,
  ExternalTokens,
  INSTALLATION_ISSUER,
  isJwt,
  issuerOf,
  unauthenticated,
  type Principal,
  type RequestCaller,
} from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import type { CloudApiConfig } from '../config.js';
import { Devices } from '../devices/devices.js';
import { digestsEqual, sha256 } from '../platform/digests.js';
import { CLOCK, CONFIG } from '../platform/tokens.js';
import { basicCredentials } from './api-key.js';
import { ApiKeys } from './api-keys.js';
import { IssuedTokens } from './issued-tokens.js';
import { Tenants } from './tenants.js';

/** Finds out who makes a request. */
@Injectable()
export class Authentication {
  readonly #checks: CredentialChecks;
  readonly #external: ExternalTokens | undefined;
  readonly #platformKey: Uint8Array | undefined;

  constructor(
    @Inject(CONFIG) config: CloudApiConfig,
    @Inject(CLOCK) clock: Clock,
    private readonly apiKeys: ApiKeys,
    private readonly issuedTokens: IssuedTokens,
    private readonly tenants: Tenants,
    private readonly devices: Devices,
  ) {
    this.#checks = new CredentialChecks(clock);
    this.#external = config.access?.identityProvider && new ExternalTokens(config.access.identityProvider, clock);
    this.#platformKey = config.access?.platformKey === undefined ? undefined : sha256(config.access.platformKey);
  }

  /**
   * @throws AppError `ACCESS.UNAUTHENTICATED`, `ACCESS.FORBIDDEN`, `ACCESS.TENANT_SUSPENDED`, `ACCESS.KEYS_UNAVAILABLE`
   *   (retryable), `REQUEST.RATE_LIMITED` (retryable) for an address that failed too often
   */
  async principalOf(request: Pick<FastifyRequest, 'headers' | 'ip'>): Promise<Principal> {
    const { authorization } = request.headers;
    const device = basicCredentials(authorization);
    const token = bearerToken(authorization);
    if (token === undefined && device === undefined) throw unauthenticated();
    return this.#checks.check(request, () => (device ? this.#device(device) : this.#identify(token ?? '')));
  }

  /** A box, by what it shows to the broker as well. */
  async #device(credentials: { readonly username: string; readonly password: string }): Promise<Principal> {
    const identity = await this.devices.verify(credentials.username, credentials.password);
    if (identity === undefined) throw unauthenticated();
    const { tenantId, deviceId } = identity;
    const caller: RequestCaller = { tenantId, deviceId, actor: `device:${deviceId}`, roles: ['device'] };
    return { kind: 'tenant', credential: 'device', caller };
  }

  async #identify(token: string): Promise<Principal> {
    if (this.#platformKey !== undefined && digestsEqual(this.#platformKey, sha256(token))) return { kind: 'platform' };
    if (isJwt(token)) return { kind: 'tenant', credential: 'token', caller: await this.#callerOfToken(token) };
    const caller = await this.apiKeys.callerOf(token);
    if (caller === undefined) throw unauthenticated();
    return { kind: 'tenant', credential: 'key', caller };
  }

  async #callerOfToken(token: string): Promise<RequestCaller> {
    if (issuerOf(token) === INSTALLATION_ISSUER) {
      const caller = await this.apiKeys.callerById(await this.issuedTokens.verify(token));
      if (caller === undefined) throw unauthenticated();
      return caller;
    }
    const claims = await this.#external?.verify(token);
    if (claims === undefined || !(await this.tenants.isOpen(claims.tenantId))) throw unauthenticated();
    return claims;
  }
}
