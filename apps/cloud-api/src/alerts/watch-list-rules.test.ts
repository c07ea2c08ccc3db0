import { newPersonId, newSightingId, type TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { alertsAmong, defaultAlertPolicy, isLate, isTooOld, type Hit, type KnownAlert } from './watch-list-rules.js';

const START = Date.parse('2026-03-01T08:00:00Z');
const personId = newPersonId();
const hit = (seconds: number, changes: Partial<Hit> = {}): Hit => ({
  ...{ tenantId: 'acme' as TenantId, watchList: 'banned', personId, sightingId: newSightingId() },
  ...{ siteId: 'gate', deviceId: 'box-1', cameraId: 'door', policy: defaultAlertPolicy },
  occurredAt: new Date(START + seconds * 1000),
  ...changes,
});
const nothing = { known: [], recent: [] };
const known = ({ tenantId, sightingId, watchList, personId: person }: Hit, retraction: KnownAlert['retraction']) => ({
  ...{ tenantId, sightingId, watchList, personId: person, retraction },
});

describe('the cooldown', () => {
  it('leaves one alert of a person and place, whichever of the two becomes known first', () => {
    const [first, second, third] = [hit(0), hit(299), hit(300)];
    expect(alertsAmong([second, first, third], nothing)).toEqual([first, third]);
    expect(alertsAmong([first], { known: [], recent: [second] })).toEqual([]);
    expect(alertsAmong([second], { known: [], recent: [first] })).toEqual([]);
  });

  it('is of one camera, or of the whole site', () => {
    const there = hit(1, { deviceId: 'box-2' });
    expect(alertsAmong([there], { known: [], recent: [hit(0)] })).toEqual([there]);
    const policy = { ...defaultAlertPolicy, cooldownPlace: 'site' as const };
    expect(alertsAmong([hit(1, { deviceId: 'box-2', policy })], { known: [], recent: [hit(0)] })).toEqual([]);
    const elsewhere = hit(1, { siteId: 'yard', policy });
    expect(alertsAmong([elsewhere], { known: [], recent: [hit(0)] })).toEqual([elsewhere]);
  });

  it('is of one person and one list, and may be none', () => {
    const others = [hit(1, { personId: newPersonId() }), hit(2, { watchList: 'vip' })];
    expect(alertsAmong(others, { known: [], recent: [hit(0)] })).toEqual(others);
    const without = hit(0, { policy: { ...defaultAlertPolicy, cooldownSeconds: 0 } });
    expect(alertsAmong([without], { known: [], recent: [hit(0)] })).toEqual([without]);
  });
});

describe('a sighting', () => {
  const one = hit(0);

  it('has one alert for each list, until that is retracted', () => {
    expect(alertsAmong([one], { known: [known(one, null)], recent: [] })).toEqual([]);
    expect(alertsAmong([one], { known: [known(one, 'revised')], recent: [] })).toEqual([one]);
  });

  it('has none of somebody whom a review has excluded, but may have one of another', () => {
    const reviewed = { known: [known(one, 'reviewed')], recent: [] };
    expect(alertsAmong([one], reviewed)).toEqual([]);
    const other = { ...one, personId: newPersonId() };
    expect(alertsAmong([other], reviewed)).toEqual([other]);
  });
});

it('what is old is late, and at some time no alert any more', () => {
  const at = (seconds: number) => new Date(START + seconds * 1000);
  expect([isLate(hit(0), at(60)), isLate(hit(0), at(61))]).toEqual([false, true]);
  expect([isTooOld(hit(0), at(86_400)), isTooOld(hit(0), at(86_401))]).toEqual([false, true]);
});
