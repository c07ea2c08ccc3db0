import type { rest } from '@sightline/contracts';
import { systemClock } from '@sightline/kernel';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { ApiKeys } from './api-keys.js';

const PLATFORM_KEY = 'test-platform-key-0123456789';
const START_MS = Date.UTC(2026, 0, 1);

let cloud: TestCloud;
let nowMs = START_MS;
beforeAll(async () => {
  const clock = { ...systemClock, wallMs: () => nowMs };
  const requestsPerMinute = { perCaller: 150, perTenant: 1000 };
  cloud = await startTestCloud({ clock, access: { platformKey: PLATFORM_KEY, requestsPerMinute } });
});
afterAll(() => cloud.stop());

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type Answer = LightMyRequestResponse & { readonly code: string | undefined };
async function as(key: string, method: Method, url: string, payload?: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${key}` };
  const response = await cloud.request({ method, url, headers, ...(payload && { payload }) });
  const isProblem = String(response.headers['content-type']).includes('problem+json');
  return Object.assign(response, { code: isProblem ? response.json<rest.Problem>().code : undefined });
}
const admin = (method: Method, url: string, payload?: object) =>
  cloud.request({ method, url, ...(payload && { payload }) });
const newKey = async (wanted: object): Promise<rest.NewApiKey> =>
  (await admin('POST', '/v1/api-keys', { label: 'test', ...wanted })).json();

describe('API keys', () => {
  it('do what their role says', async () => {
    await admin('POST', '/v1/devices', { id: 'cam-1', siteId: 'gate' });
    const [operator, auditor, device] = await Promise.all([
      newKey({ role: 'operator' }),
      newKey({ role: 'auditor' }),
      newKey({ role: 'device', deviceId: 'cam-1' }),
    ]);
    const statuses = async (method: Method, url: string, payload?: object) =>
      Promise.all(
        [operator, auditor, device].map(async ({ secret }) => (await as(secret, method, url, payload)).statusCode),
      );
    expect(await statuses('GET', '/v1/people')).toEqual([200, 200, 403]);
    expect(await statuses('POST', '/v1/people', { name: 'Ada' })).toEqual([201, 403, 403]);
    expect(await statuses('POST', '/v1/api-keys', { label: 'x', role: 'admin' })).toEqual([403, 403, 403]);
    expect(await statuses('GET', '/v1/audit')).toEqual([403, 200, 403]);
    expect(await statuses('POST', '/v1/tokens')).toEqual([201, 201, 201]);
  });

  it('are shown without their secret, revoked, and refused from the next request on', async () => {
    const { key, secret } = await newKey({ role: 'operator', label: 'front desk' });
    expect(key).toMatchObject({ label: 'front desk', prefix: secret.slice(0, 10), fromEnvironment: false });
    expect((await as(secret, 'GET', '/v1/people')).statusCode).toBe(200);
    const list = await admin('GET', '/v1/api-keys?limit=100');
    expect(list.body).not.toContain(secret);
    expect(list.json<rest.ApiKeyPage>().items.map(({ id }) => id)).toContain(key.id);
    expect((await admin('DELETE', `/v1/api-keys/${key.id}`)).statusCode).toBe(204);
    expect((await as(secret, 'GET', '/v1/people')).code).toBe('ACCESS.UNAUTHENTICATED');
    expect((await admin('DELETE', `/v1/api-keys/${key.id}`)).json()).toMatchObject({ code: 'API_KEY.NOT_FOUND' });
  });

  it('expire, and say to the minute when they were used last', async () => {
    const { key, secret } = await newKey({ role: 'auditor', expiresAt: new Date(nowMs + 100_000).toISOString() });
    const lastUse = async () =>
      (await admin('GET', '/v1/api-keys?limit=100')).json<rest.ApiKeyPage>().items.find(({ id }) => id === key.id)
        ?.lastUsedAt;
    expect(await lastUse()).toBeNull();
    const usedAt = nowMs;
    for (const laterMs of [0, 30_000, 29_000]) {
      nowMs += laterMs;
      expect((await as(secret, 'GET', '/v1/people')).statusCode).toBe(200);
      expect(await lastUse()).toBe(new Date(usedAt).toISOString());
    }
    nowMs += 1_000;
    await as(secret, 'GET', '/v1/people');
    expect(await lastUse()).toBe(new Date(nowMs).toISOString());
    nowMs += 40_000;
    expect((await as(secret, 'GET', '/v1/people')).code).toBe('ACCESS.UNAUTHENTICATED');
  });

  it('that cannot be are not made', async () => {
    const codeOf = async (wanted: object) => (await admin('POST', '/v1/api-keys', wanted)).json<rest.Problem>().code;
    expect(await codeOf({ label: 'x', role: 'owner' })).toBe('REQUEST.INVALID');
    expect(await codeOf({ label: 'x', role: 'device' })).toBe('REQUEST.INVALID');
    expect(await codeOf({ label: 'x', role: 'admin', deviceId: 'cam-1' })).toBe('REQUEST.INVALID');
    expect(await codeOf({ label: 'x', role: 'device', deviceId: 'nobody' })).toBe('DEVICE.NOT_FOUND');
    expect(await codeOf({ label: 'x', role: 'admin', expiresAt: '2020-01-01T00:00:00Z' })).toBe('REQUEST.INVALID');
  });

  it('of the environment are not revoked over REST', async () => {
    const { items } = (await admin('GET', '/v1/api-keys?limit=100')).json<rest.ApiKeyPage>();
    const [own] = items.filter(({ fromEnvironment }) => fromEnvironment);
    expect((await admin('DELETE', `/v1/api-keys/${own?.id}`)).json()).toMatchObject({
      code: 'API_KEY.FROM_ENVIRONMENT',
    });
  });
});

describe('tenants', () => {
  it('are the platform’s alone, and the platform has no tenant', async () => {
    expect((await as(PLATFORM_KEY, 'GET', '/v1/people')).code).toBe('ACCESS.FORBIDDEN');
    expect((await admin('GET', '/v1/tenants')).json()).toMatchObject({ code: 'ACCESS.FORBIDDEN' });
    const { items } = (await as(PLATFORM_KEY, 'GET', '/v1/tenants')).json<rest.TenantPage>();
    expect(items).toMatchObject([{ id: TENANT, suspendedAt: null }]);
  });

  it('begin with the key of an admin, and are let in nowhere once suspended', async () => {
    const created = await as(PLATFORM_KEY, 'POST', '/v1/tenants', { id: 'acme', label: 'Acme' });
    expect(created.statusCode).toBe(201);
    const { adminKey } = created.json<rest.NewTenant>();
    expect((await as(PLATFORM_KEY, 'POST', '/v1/tenants', { id: 'acme' })).code).toBe('TENANT.ALREADY_EXISTS');
    const list = () => as(adminKey.secret, 'GET', '/v1/people');
    expect((await list()).json()).toEqual({ items: [], nextCursor: null });
    const { accessToken } = (await as(adminKey.secret, 'POST', '/v1/tokens')).json<rest.IssuedToken>();
    const box = await as(adminKey.secret, 'POST', '/v1/devices', { id: 'cam-7', siteId: 'gate' });
    const { username, password } = box.json<rest.Provisioning>().mqtt;
    expect(await cloud.api.verifyDevice(username, password)).toBeDefined();
    const suspend = (suspended: boolean) => as(PLATFORM_KEY, 'PATCH', '/v1/tenants/acme', { suspended });
    expect((await suspend(true)).json()).toMatchObject({ suspendedAt: new Date(nowMs).toISOString() });
    expect((await list()).code).toBe('ACCESS.TENANT_SUSPENDED');
    expect(await cloud.api.verifyDevice(username, password)).toBeUndefined();
    expect((await as(accessToken, 'GET', '/v1/people')).code).toBe('ACCESS.TENANT_SUSPENDED');
    await suspend(false);
    expect((await list()).statusCode).toBe(200);
    expect((await as(PLATFORM_KEY, 'PATCH', '/v1/tenants/nobody', { suspended: true })).code).toBe('TENANT.NOT_FOUND');
  });
});

describe('a token that we issue', () => {
  it('does what its key does, until either ends, and gets no other', async () => {
    const { key, secret } = await newKey({ role: 'operator' });
    const { accessToken, expiresInSeconds } = (await as(secret, 'POST', '/v1/tokens')).json<rest.IssuedToken>();
    expect((await as(accessToken, 'GET', '/v1/people')).statusCode).toBe(200);
    expect((await as(accessToken, 'GET', '/v1/api-keys')).code).toBe('ACCESS.FORBIDDEN');
    expect((await as(accessToken, 'POST', '/v1/tokens')).code).toBe('ACCESS.FORBIDDEN');
    const [head, body, signature = ''] = accessToken.split('.');
    const forged = `${head}.${body}.${(signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)}`;
    expect((await as(forged, 'GET', '/v1/people')).code).toBe('ACCESS.UNAUTHENTICATED');
    nowMs += (expiresInSeconds + 31) * 1000;
    expect((await as(accessToken, 'GET', '/v1/people')).code).toBe('ACCESS.UNAUTHENTICATED');
    const again = (await as(secret, 'POST', '/v1/tokens')).json<rest.IssuedToken>();
    await admin('DELETE', `/v1/api-keys/${key.id}`);
    expect((await as(again.accessToken, 'GET', '/v1/people')).code).toBe('ACCESS.UNAUTHENTICATED');
  });

  it('can be verified by whoever has the published keys', async () => {
    const { keys } = (await cloud.api.app.inject('/.well-known/jwks.json')).json<rest.Jwks>();
    expect(keys).toEqual([expect.objectContaining({ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' })]);
    expect(JSON.stringify(keys)).not.toContain('"d"');
  });
});

describe('requests', () => {
  it('are counted by the minute, each caller for itself', async () => {
    const { secret } = await newKey({ role: 'auditor' });
    const first = await as(secret, 'GET', '/v1/quarantine');
    expect(first.headers).toMatchObject({ 'ratelimit-limit': '150', 'ratelimit-remaining': '149' });
    const answers = await Promise.all(Array.from({ length: 150 }, () => as(secret, 'GET', '/v1/quarantine')));
    const refused = answers.filter(({ statusCode }) => statusCode !== 200);
    expect(refused.map(({ code, headers }) => [code, Number(headers['retry-after']) > 0])).toEqual([
      ['REQUEST.RATE_LIMITED', true],
    ]);
    const { secret: other } = await newKey({ role: 'auditor' });
    expect((await as(other, 'GET', '/v1/quarantine')).statusCode).toBe(200);
  });

  it('without valid credentials are not looked up any more after thirty, and valid ones still are', async () => {
    const apiKeys = cloud.api.app.get(ApiKeys);
    expect(await apiKeys.callerOf('no such key, never seen')).toBeUndefined();
    const codes: (string | undefined)[] = [];
    for (let time = 0; time < 32; time += 1) codes.push((await as(`guess-${time}`, 'GET', '/v1/people')).code);
    expect(new Set(codes.slice(0, 20))).toEqual(new Set(['ACCESS.UNAUTHENTICATED']));
    expect(codes.at(-1)).toBe('REQUEST.RATE_LIMITED');
    expect((await admin('GET', '/v1/people')).statusCode).toBe(200);
  });
});
