import { describe, expect, it } from 'vitest';

import { dependsOnSites, noPolicy, resolveRules, retentionOf, type StoredPolicy } from './decision-policy.js';

const target = { falseMatchRate: 1e-4, falsePositiveRate: 0.01 };
const tenantPolicy = (policy: Partial<StoredPolicy>) => ({
  ...noPolicy,
  version: 3,
  policy: { ...noPolicy.policy, ...policy },
});
const policy = tenantPolicy({
  rules: { margin: 0.1, minimumQuality: 0.2 },
  uses: { access: { presentation: { mode: 'require', liveScore: 0.7 } } },
  places: [
    { siteId: 'hq', use: 'attendance', rules: { minimumQuality: 0.4 } },
    { deviceId: 'gate', use: 'access' },
    { siteId: 'hq', deviceId: 'gate', cameraId: 'inner', use: 'watch-list', rules: { groups: ['banned'] } },
    { cameraId: 'inner', use: 'general' },
  ],
});
const at = (place: object) => resolveRules(policy, place, { target });

describe('the rules of a decision', () => {
  it('are those of the configuration where nothing is set', () => {
    expect(resolveRules(noPolicy, {}, { target })).toEqual({
      ...{ use: 'general', policyVersion: 0, target, margin: 0.05, minimumQuality: 0, requiredLiveScore: 0 },
      ...{ siteOnly: false, groups: [], recalibrations: [] },
    });
  });

  it('are stricter for a door and laxer for a watch-list, which people look through', () => {
    const rateFor = (use: 'access' | 'watch-list') =>
      resolveRules(noPolicy, {}, { target, use }).target.falsePositiveRate;
    expect([rateFor('access'), rateFor('watch-list')]).toEqual([0.001, 0.03]);
  });

  it('are those of the tenant before the defaults, of the use before the tenant’s, of the place before both', () => {
    expect(at({ siteId: 'branch' })).toMatchObject({ use: 'general', margin: 0.1, minimumQuality: 0.2 });
    expect(at({ siteId: 'branch', deviceId: 'gate' })).toMatchObject({ use: 'access', requiredLiveScore: 0.7 });
    expect(at({ siteId: 'hq', deviceId: 'door' })).toMatchObject({
      use: 'attendance',
      margin: 0.1,
      minimumQuality: 0.4,
    });
  });

  it('are those of the place that says most: a camera before a device, a device before a site', () => {
    const inner = { siteId: 'hq', deviceId: 'gate', cameraId: 'inner' };
    expect(at(inner)).toMatchObject({ use: 'watch-list', groups: ['banned'] });
    expect(at({ ...inner, siteId: 'branch' })).toMatchObject({ use: 'general' });
    expect(at({ ...inner, cameraId: 'outer' })).toMatchObject({ use: 'access' });
  });

  it('of something that has no place are those of its use', () => {
    const inner = { siteId: 'hq', deviceId: 'gate', cameraId: 'inner' };
    expect(resolveRules(policy, inner, { target, use: 'photo-search' })).toMatchObject({
      ...{ use: 'photo-search', groups: [], margin: 0.1 },
    });
  });

  it('are not corrected for the size of the gallery where a tenant says so', () => {
    const uncorrected = tenantPolicy({ rules: { falsePositiveRate: null } });
    expect(resolveRules(uncorrected, {}, { target, use: 'access' }).target).toEqual({ falseMatchRate: 1e-4 });
  });
});

it('a policy depends on sites when a place or a filter names one', () => {
  expect(dependsOnSites(noPolicy)).toBe(false);
  expect(dependsOnSites(tenantPolicy({ places: [{ deviceId: 'gate', use: 'access' }] }))).toBe(false);
  expect(dependsOnSites(policy)).toBe(true);
  expect(dependsOnSites(tenantPolicy({ uses: { access: { siteOnly: true } } }))).toBe(true);
});

it('strangers’ probes are kept only where a tenant wants them', () => {
  expect(retentionOf(noPolicy)).toEqual({ reviewHours: 168, unknownHours: 0, hardNegativeDays: 365 });
  expect(retentionOf(tenantPolicy({ retention: { unknownHours: 24 } }))).toMatchObject({ unknownHours: 24 });
});
