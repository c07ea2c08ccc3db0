import { isPublicRoute, routeAccessOf } from '@sightline/rest-server';
import { routesOfController, startIdentityProvider, type Route } from '@sightline/rest-server/testing';
import { operationsOf, type ApiDocument } from '@sightline/testing';
import { silentLogger, systemClock } from '@sightline/kernel';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { configFromEnvironment } from '../config.js';
import { registryControllers } from '../registry.module.js';
import { startTestRegistry, type TestRegistry } from '../testing/test-registry.js';
import { Authentication } from './authentication.js';

/** What needs no token: whoever supervises the program asks it. */
const PUBLIC = ['GET /health/live', 'GET /health/ready'];

let test: TestRegistry;
beforeAll(async () => {
  test = await startTestRegistry();
}, 120_000);
afterAll(() => test.stop());

const contextOf = ({ handler, controller }: Route) =>
  ({ getHandler: () => handler, getClass: () => controller }) as unknown as ExecutionContext;

describe('a route of the registry', () => {
  it('without a token answers 401, whatever it is, unless it is among the few that everybody may ask', async () => {
    const document = (await (await fetch(`${test.registry.url}/openapi.json`)).json()) as ApiDocument;
    const operations = operationsOf(document);
    expect(operations.map(({ method, path }) => `${method} ${path}`)).toEqual(expect.arrayContaining(PUBLIC));
    const guarded = operations.filter(({ method, path }) => !PUBLIC.includes(`${method} ${path}`));
    expect(guarded.length).toBeGreaterThan(2);
    for (const { method, path } of guarded) {
      const url = test.registry.url + path.replaceAll(/\{\w+\}/g, '6f1f0f0a-7c4e-4a53-9a2f-3f2b8f3f4c11');
      const answer = await fetch(url, { method });
      expect([method, path, answer.status]).toEqual([method, path, 401]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  it('says whom it is for', () => {
    const reflector = new Reflector();
    const silent = registryControllers
      .flatMap((controller) => routesOfController(controller))
      .filter((route) => !isPublicRoute(reflector, contextOf(route)))
      .filter((route) => routeAccessOf(reflector, contextOf(route)) === undefined);
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it('lets an auditor read, and a box nothing at all', async () => {
    expect((await test.request('GET', '/v1/releases', { role: 'auditor' })).status).toBe(200);
    expect((await test.request('GET', '/v1/releases', { role: 'device' })).status).toBe(403);
  });
});

describe('a token', () => {
  const headersOf = (authorization: string | undefined) => ({ headers: { authorization }, ip: '192.0.2.1' });

  it('of cloud-api speaks for the API key that it was issued for, whose name the audit keeps', async () => {
    const provider = await startIdentityProvider();
    const cloudApiUrl = new URL(provider.jwksUrl).origin;
    const authentication = new Authentication({ cloudApiUrl }, systemClock);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const claims = { sub: 'key:7', tenant: 'acme', role: ['operator'], iat: nowSeconds, exp: nowSeconds + 900 };
    const issuer = { iss: 'sightline/cloud-api', aud: 'sightline' };
    const token = await provider.sign({ ...claims, ...issuer });
    expect(await authentication.principalOf(headersOf(`Bearer ${token}`))).toEqual({
      ...{ kind: 'tenant', credential: 'token' },
      caller: { tenantId: 'acme', actor: 'key:7', roles: ['operator'] },
    });
    const elsewhere = await provider.sign({ ...claims, ...issuer, aud: 'another-installation' });
    await expect(authentication.principalOf(headersOf(`Bearer ${elsewhere}`))).rejects.toMatchObject({
      code: 'ACCESS.UNAUTHENTICATED',
    });
    await provider.close();
  });

  it.each([undefined, 'Basic YTpi', 'Bearer an-api-key-of-cloud-api', 'Bearer eyJhbGciOiJub25lIn0.e30.'])(
    'that is none is refused, also where nobody’s tokens are taken: %s',
    async (authorization) => {
      for (const access of [{}, { cloudApiUrl: 'http://127.0.0.1:9' }, test.config.access]) {
        const authentication = new Authentication(access, systemClock);
        await expect(authentication.principalOf(headersOf(authorization))).rejects.toMatchObject({
          code: expect.stringMatching(/^ACCESS\.(UNAUTHENTICATED|KEYS_UNAVAILABLE)$/) as string,
        });
      }
    },
  );

  it('is taken of whom the environment names', () => {
    const environment = {
      ...{ SIGHTLINE_DATA_DIRECTORY: '/d', SIGHTLINE_MODEL_STORE_DIRECTORY: '/m' },
      ...{ SIGHTLINE_DATABASE_URL: 'postgres://db/x', SIGHTLINE_MQTT_URL: 'mqtts://broker' },
      ...{ SIGHTLINE_MQTT_USERNAME: 'u', SIGHTLINE_MQTT_PASSWORD: 'p' },
      SIGHTLINE_CLOUD_API_URL: 'https://cloud.example',
    };
    const parts = { log: silentLogger, clock: systemClock };
    expect(configFromEnvironment(environment, parts).access).toEqual({ cloudApiUrl: 'https://cloud.example' });
    for (const bad of [{ SIGHTLINE_CLOUD_API_URL: 'http://cloud.example' }, { SIGHTLINE_JWT_ISSUER: 'me' }]) {
      expect(() => configFromEnvironment({ ...environment, ...bad }, parts)).toThrow(
        expect.objectContaining({ code: 'CONFIG.INVALID' }) as Error,
      );
    }
  });
});
