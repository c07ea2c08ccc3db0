import type { Clock } from '@sightline/kernel';
import {
  bearerToken,
  CredentialChecks,
  ExternalTokens,
  INSTALLATION_ISSUER,
  installationTokensOf,
  isJwt,
  issuerOf,
  unauthenticated,
  type IdentityProviderConfig,
  type Principal,
  type RequestCaller,
} from '@sightline/rest-server';
import type { FastifyRequest } from 'fastify';

/** Whose tokens are taken. Without either nobody is let in. */
export interface AccessConfig {
  /** Base address of cloud-api, whose tokens are verified by the keys that it publishes. */
  readonly cloudApiUrl?: string | undefined;
  readonly identityProvider?: IdentityProviderConfig | undefined;
}

/**
 * Finds out who makes a request, by a token alone: API keys are cloud-api's, which gives out tokens for them. What such a
 * token says holds until it expires, 15 minutes at most, whatever becomes of its key.
 */
export class Authentication {
  readonly #checks: CredentialChecks;
  readonly #installation: ExternalTokens | undefined;
  readonly #external: ExternalTokens | undefined;

  constructor({ cloudApiUrl, identityProvider }: AccessConfig, clock: Pick<Clock, 'wallMs' | 'monotonicMs'>) {
    this.#checks = new CredentialChecks(clock);
    this.#installation =
      cloudApiUrl === undefined ? undefined : new ExternalTokens(installationTokensOf(cloudApiUrl), clock);
    this.#external = identityProvider && new ExternalTokens(identityProvider, clock);
  }

  /**
   * @throws AppError `ACCESS.UNAUTHENTICATED`, `ACCESS.FORBIDDEN` for a token without a role of ours,
   *   `ACCESS.KEYS_UNAVAILABLE` (retryable), `REQUEST.RATE_LIMITED` (retryable) for an address that failed too often
   */
  async principalOf(request: Pick<FastifyRequest, 'headers' | 'ip'>): Promise<Principal> {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw unauthenticated();
    return this.#checks.check(request, async () => {
      const caller = isJwt(token) ? await this.#callerOf(token) : undefined;
      if (caller === undefined) throw unauthenticated();
      return { kind: 'tenant', credential: 'token', caller };
    });
  }

  async #callerOf(token: string): Promise<RequestCaller | undefined> {
    if (issuerOf(token) !== INSTALLATION_ISSUER) return this.#external?.verify(token);
    const caller = await this.#installation?.verify(token);
    // Its subject is an actor of cloud-api already, such as `key:…`.
    return caller && { ...caller, actor: decodeURIComponent(caller.actor.replace(/^jwt:/, '')) };
  }
}
