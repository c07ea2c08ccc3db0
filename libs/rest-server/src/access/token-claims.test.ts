import { describe, expect, it } from 'vitest';

import { readClaims } from './token-claims.js';

const names = { tenant: 'tenant', role: 'realm_access.roles', device: 'https://example.org/device' };
const good = { sub: 'auth0|7', tenant: 'acme', realm_access: { roles: ['operator', 'offline_access'] } };

describe('the claims of a token', () => {
  it('say who it is, of which tenant, in which role', () => {
    expect(readClaims(good, names)).toEqual({ tenantId: 'acme', actor: 'jwt:auth0%7C7', roles: ['operator'] });
    const device = { ...good, realm_access: { roles: 'device' }, 'https://example.org/device': 'cam-1' };
    expect(readClaims(device, names)).toMatchObject({ roles: ['device'], deviceId: 'cam-1' });
  });

  it.each([
    ['no subject', { ...good, sub: undefined }, 'ACCESS.UNAUTHENTICATED'],
    ['an endless subject', { ...good, sub: 'x'.repeat(1000) }, 'ACCESS.UNAUTHENTICATED'],
    ['no tenant', { ...good, tenant: undefined }, 'ACCESS.UNAUTHENTICATED'],
    ['a tenant that can be none', { ...good, tenant: '../acme' }, 'ACCESS.UNAUTHENTICATED'],
    ['two tenants', { ...good, tenant: ['acme', 'other'] }, 'ACCESS.UNAUTHENTICATED'],
    ['no role of ours', { ...good, realm_access: { roles: ['owner'] } }, 'ACCESS.FORBIDDEN'],
    ['the role of a device without its box', { ...good, realm_access: { roles: ['device'] } }, 'ACCESS.FORBIDDEN'],
    ['a role that every object has', { ...good, realm_access: null }, 'ACCESS.FORBIDDEN'],
  ])('with %s are refused', (_, payload, code) => {
    expect(() => readClaims(payload, names)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it('are made fit for the audit, half of a surrogate pair or a blank in the subject', () => {
    expect(readClaims({ ...good, sub: 'Ada \ud800' }, names).actor).toMatch(/^jwt:[\x21-\x7e]+$/);
  });
});
