import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { accessEnvironment, accessFrom } from './access-config.js';

const schema = z.object(accessEnvironment);
const parse = (environment: Record<string, string>) => accessFrom(schema.parse(environment));
const provider = { SIGHTLINE_JWT_ISSUER: 'https://login.example', SIGHTLINE_JWT_AUDIENCE: 'sightline' };

describe('the configuration of access', () => {
  it('lets in nobody but API keys by default', () => {
    expect(parse({})).toEqual({
      requestsPerMinute: { perCaller: 6000, perTenant: 30000 },
    });
  });

  it('takes an identity provider with its keys at an address or in a file', () => {
    const url = 'https://login.example/keys';
    expect(parse({ ...provider, SIGHTLINE_JWT_JWKS_URL: url }).identityProvider).toEqual({
      ...{ issuer: 'https://login.example', audience: 'sightline', jwks: { url }, clockSkewSeconds: 30 },
      claims: { tenant: 'tenant', role: 'role', device: 'device' },
    });
    expect(parse({ ...provider, SIGHTLINE_JWT_JWKS_FILE: '/keys.json' }).identityProvider?.jwks).toEqual({
      file: '/keys.json',
    });
  });

  it.each<Record<string, string>>([
    provider,
    { SIGHTLINE_JWT_JWKS_FILE: '/keys.json' },
    { ...provider, SIGHTLINE_JWT_JWKS_FILE: '/keys.json', SIGHTLINE_JWT_JWKS_URL: 'https://login.example/keys' },
  ])('refuses a provider that is named by half or twice: %j', (environment) => {
    expect(() => parse(environment)).toThrow(expect.objectContaining({ code: 'CONFIG.INVALID' }) as Error);
  });

  it.each([
    ['SIGHTLINE_JWT_JWKS_URL', 'http://login.example/keys', false],
    ['SIGHTLINE_JWT_JWKS_URL', 'http://127.0.0.1:8080/keys', true],
    ['SIGHTLINE_PLATFORM_KEY', 'short', false],
    ['SIGHTLINE_TRUSTED_PROXIES', '10.0.0.0/8,::1', true],
    ['SIGHTLINE_TRUSTED_PROXIES', 'everybody', false],
  ])('%s may be %s: %s', (key, value, expected) => {
    expect(schema.safeParse({ [key]: value }).success).toBe(expected);
  });
});
