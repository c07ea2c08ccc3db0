import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@sightline/kernel';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startIdentityProvider, type IdentityProvider } from '../testing/identity-provider.js';
import { ExternalTokens, type IdentityProviderConfig } from './external-tokens.js';

const NOW = Date.UTC(2026, 5, 1) / 1000;
const claims = { tenant: 'tenant', role: 'role', device: 'device' };
const good = { sub: 'ada', tenant: 'acme', role: 'operator', iat: NOW - 10, exp: NOW + 600 };

let provider: IdentityProvider;
let config: IdentityProviderConfig;
const tokens = (changes: Partial<IdentityProviderConfig> = {}) =>
  new ExternalTokens({ ...config, ...changes }, { ...systemClock, wallMs: () => NOW * 1000 });

beforeAll(async () => {
  provider = await startIdentityProvider();
  const { issuer, audience, jwksUrl: url } = provider;
  config = { issuer, audience, claims, jwks: { url }, clockSkewSeconds: 30 };
});
afterAll(() => provider.close());

describe('the tokens of an identity provider', () => {
  it('are taken by their signature, and the keys are asked for once', async () => {
    const verifier = tokens();
    const before = provider.asked();
    const token = await provider.sign(good);
    const all = await Promise.all(Array.from({ length: 10 }, () => verifier.verify(token)));
    expect(all[9]).toEqual({ tenantId: 'acme', actor: 'jwt:ada', roles: ['operator'] });
    expect(provider.asked() - before).toBe(1);
  });

  it.each([
    ['has expired', { exp: NOW - 31 }, 'The token has expired.'],
    ['is not valid yet', { nbf: NOW + 31 }, 'The token is not valid here.'],
    ['is of another issuer', { iss: 'https://elsewhere.example' }, 'The token is not valid here.'],
    ['is for somebody else', { aud: 'another-program' }, 'The token is not valid here.'],
  ])('are refused: one that %s', async (_, changed, message) => {
    const token = await provider.sign({ ...good, ...changed });
    await expect(tokens().verify(token)).rejects.toMatchObject({ code: 'ACCESS.UNAUTHENTICATED', message });
  });

  it.each(['sub', 'exp', 'tenant'] as const)('are refused: one without %s', async (claim) => {
    const rest = Object.entries(good).filter(([name]) => name !== claim);
    const token = await provider.sign(Object.fromEntries(rest));
    await expect(tokens().verify(token)).rejects.toMatchObject({ code: 'ACCESS.UNAUTHENTICATED' });
  });

  it('may be off by the skew of two clocks', async () => {
    const verifier = tokens();
    for (const changed of [{ exp: NOW - 29 }, { nbf: NOW + 29 }]) {
      expect(await verifier.verify(await provider.sign({ ...good, ...changed }))).toMatchObject({ tenantId: 'acme' });
    }
  });

  it('are refused without a signature, or with one by a key that everybody has', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true });
    const secret = new TextEncoder().encode(await exportSPKI(publicKey));
    const header = { alg: 'HS256', kid: 'key-1' };
    const hmac = await new SignJWT({ ...good, iss: config.issuer, aud: config.audience })
      .setProtectedHeader(header)
      .sign(secret);
    const unsecured = new UnsecuredJWT({ ...good, iss: config.issuer, aud: config.audience }).encode();
    for (const token of [hmac, unsecured, 'eyJ.a.b', 'eyJhbGciOiJFUzI1NiJ9.e30.', 'eyJhbGciOiJFUzI1NiJ9.e30.AA']) {
      await expect(tokens().verify(token)).rejects.toMatchObject({ code: 'ACCESS.UNAUTHENTICATED' });
    }
  });

  it('are neither good nor bad while the keys cannot be had', async () => {
    provider.answer(false);
    const token = await provider.sign(good);
    await expect(tokens().verify(token)).rejects.toMatchObject({ code: 'ACCESS.KEYS_UNAVAILABLE', retryable: true });
    const away = tokens({ jwks: { url: 'http://127.0.0.1:9/jwks.json' } });
    await expect(away.verify(token)).rejects.toMatchObject({ code: 'ACCESS.KEYS_UNAVAILABLE', retryable: true });
    provider.answer(true);
    expect(await tokens().verify(token)).toMatchObject({ tenantId: 'acme' });
  });

  it('by a new key are taken once it is published, and unknown keys do not make us ask each time', async () => {
    const verifier = tokens();
    await verifier.verify(await provider.sign(good));
    const before = provider.asked();
    for (let time = 0; time < 5; time += 1) {
      const foreign = await provider.sign(good, { kid: `unknown-${time}` });
      await expect(verifier.verify(foreign)).rejects.toMatchObject({ code: 'ACCESS.UNAUTHENTICATED' });
    }
    expect(provider.asked()).toBe(before);
    await provider.rotate();
    const token = await provider.sign(good);
    // Within the cooldown of the keys in memory: another process, or this one half a minute later, knows the new key.
    expect(await tokens().verify(token)).toMatchObject({ tenantId: 'acme' });
  });

  it('are verified by keys in a file as well', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sightline-jwks-'));
    const file = join(folder, 'jwks.json');
    const { publicKey, privateKey } = await generateKeyPair('EdDSA');
    await writeFile(file, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'a', alg: 'EdDSA' }] }));
    const token = await new SignJWT({ ...good, iss: config.issuer, aud: config.audience })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'a' })
      .sign(privateKey);
    expect(await tokens({ jwks: { file } }).verify(token)).toMatchObject({ actor: 'jwt:ada' });
    await rm(folder, { recursive: true });
    await expect(tokens({ jwks: { file } }).verify(token)).rejects.toMatchObject({ code: 'ACCESS.KEYS_UNAVAILABLE' });
  });
});
