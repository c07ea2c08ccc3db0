import { isAllowed, isPublicRoute, routeAccessOf } from '@sightline/rest-server';
import { type Route, routesOf } from '@sightline/rest-server/testing';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

describe('a route', () => {
  it('says whom it is for: everybody, roles, admins alone or the platform', () => {
    const reflector = new Reflector();
    const contextOf = ({ handler, controller }: Route) =>
      ({ getHandler: () => handler, getClass: () => controller }) as unknown as ExecutionContext;
    const routes = routesOf(cloud.api.app);
    expect(routes.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['GET v1/people/:id', 'GET v1/sightings/live', 'POST v1/devices', 'GET health/live']),
    );
    const silent = routes.filter(
      (route) =>
        !isPublicRoute(reflector, contextOf(route)) && routeAccessOf(reflector, contextOf(route)) === undefined,
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it.each([
    [['admin'], ['operator'], true],
    [['admin'], [], true],
    [['operator'], ['operator', 'auditor'], true],
    [['auditor'], ['operator'], false],
    [['device'], ['operator'], false],
    [['device', 'auditor'], ['auditor'], true],
    [['operator'], [], false],
    [[], ['operator'], false],
  ] as const)('lets %j into what is for %j: %s', (held, roles, expected) => {
    expect(isAllowed(held, { kind: 'tenant', roles })).toBe(expected);
  });

  it('without a mark is for admins alone, and one of the platform for no tenant', () => {
    expect(isAllowed(['admin'], undefined)).toBe(true);
    expect(isAllowed(['operator', 'auditor', 'device'], undefined)).toBe(false);
    expect(isAllowed(['admin'], { kind: 'platform' })).toBe(false);
  });
});
