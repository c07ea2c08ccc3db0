import { tenantOfListener } from '@sightline/contracts';
import { isAppError, type TenantId } from '@sightline/kernel';
import { isAllowed } from '@sightline/rest-server';
import { Injectable } from '@nestjs/common';

import { Authentication } from '../access/authentication.js';

/** A program that listens to what concerns a tenant. */
export interface TenantListener {
  readonly kind: 'listener';
  readonly tenantId: TenantId;
}

/** Lets programs listen with the credentials that they have for REST: an API key or a token, of whoever may read alerts. */
@Injectable()
export class TenantListeners {
  constructor(private readonly authentication: Authentication) {}

  /**
   * @param username `{tenant}/_tenant`
   * @param password an API key or a token of the tenant
   * @throws AppError that is retryable, when it cannot be told now
   */
  async verify(username: string, password: string): Promise<TenantListener | undefined> {
    const tenantId = tenantOfListener(username);
    if (tenantId === undefined) return undefined;
    try {
      const headers = { authorization: `Bearer ${password}` };
      // Failures are counted for the name, since the broker keeps the addresses to itself.
      const principal = await this.authentication.principalOf({ headers, ip: `mqtt:${tenantId}` });
      const isReader =
        principal.kind === 'tenant' &&
        principal.caller.tenantId === tenantId &&
        isAllowed(principal.caller.roles, { kind: 'tenant', roles: ['operator', 'auditor'] });
      return isReader ? { kind: 'listener', tenantId } : undefined;
    } catch (error) {
      if (isAppError(error) && error.code !== 'ACCESS.KEYS_UNAVAILABLE') return undefined;
      throw error;
    }
  }
}
