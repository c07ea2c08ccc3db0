import type { Role } from '@sightline/rest-server';
import { startIdentityProvider, type IdentityProvider } from '@sightline/rest-server/testing';

import type { AccessConfig } from '../access/authentication.js';

/** The tenant that requests of tests are made for, unless they say otherwise. */
export const TENANT = 'acme';

/** An identity provider, and tokens of it. */
export interface TestAccess {
  readonly access: AccessConfig;
  /** The header of somebody of a tenant with a role. */
  authorization(role?: Role, tenant?: string): Promise<string>;
  close(): Promise<void>;
}

/** Starts an identity provider whose tokens a registry with this `access` takes. */
export async function startTestAccess(): Promise<TestAccess> {
  const provider: IdentityProvider = await startIdentityProvider();
  const { issuer, audience, jwksUrl: url } = provider;
  const claims = { tenant: 'tenant', role: 'role', device: 'device' };
  return {
    access: { identityProvider: { issuer, audience, jwks: { url }, claims, clockSkewSeconds: 30 } },
    authorization: async (role = 'admin', tenant = TENANT) => {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const names = { sub: `${role}-1`, tenant, role, device: 'gate-1' };
      return `Bearer ${await provider.sign({ ...names, iat: nowSeconds, exp: nowSeconds + 3600 })}`;
    },
    close: () => provider.close(),
  };
}
