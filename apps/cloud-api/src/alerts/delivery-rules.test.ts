import { describe, expect, it } from 'vitest';

import { afterFailure, DELIVERY_MS, retryAfterMs, wants } from './delivery-rules.js';

const now = new Date('2026-03-01T08:00:00Z');
const failed = {
  ...{ attempts: 1, failures: 1, failingSince: now, expiresAt: new Date(now.getTime() + DELIVERY_MS) },
  channel: 'webhook' as const,
};
const refused = { statusCode: 500 };
/** The longest pauses. */
const longest = { now, random: () => 1 };
const secondsOf = (date: Date | null) => date && (date.getTime() - now.getTime()) / 1000;

describe('a message that failed', () => {
  it('is tried again after growing pauses, for a day in all', () => {
    let atMs = now.getTime();
    const pauses: number[] = [];
    for (let attempts = 1; ; attempts += 1) {
      const next = afterFailure(refused, { ...failed, attempts }, { now: new Date(atMs), random: () => 0.5 });
      if (next.nextAttemptAt === null) break;
      pauses.push((next.nextAttemptAt.getTime() - atMs) / 1000);
      atMs = next.nextAttemptAt.getTime();
    }
    expect(pauses.slice(0, 3)).toEqual([7.5, 15, 30]);
    expect(Math.max(...pauses)).toBe(8100);
    expect(pauses.length).toBeGreaterThan(15);
    expect(atMs - now.getTime()).toBeGreaterThan(DELIVERY_MS - 10_800_000);
  });

  it('comes no sooner than the receiver has asked, and neither does any other', () => {
    const next = afterFailure({ statusCode: 503, retryAfterMs: 120_000 }, failed, longest);
    expect([secondsOf(next.nextAttemptAt), secondsOf(next.pausedUntil)]).toEqual([120, 120]);
  });
});

describe('a subscription', () => {
  it('is paused as a whole once three attempts have failed in a row, for a quarter of an hour at most', () => {
    const pauseAfter = (failures: number) =>
      secondsOf(afterFailure(refused, { ...failed, failures }, longest).pausedUntil);
    expect([1, 2, 3, 4, 5, 30].map(pauseAfter)).toEqual([null, null, 10, 20, 40, 900]);
  });

  it('is disabled by 410, and by five days of failures; that over MQTT is not', () => {
    expect(afterFailure({ statusCode: 410 }, failed, longest)).toMatchObject({ disabled: 'gone', nextAttemptAt: null });
    const failingSince = new Date(now.getTime() - 5 * DELIVERY_MS);
    const old = { ...failed, failingSince };
    expect(afterFailure(refused, old, longest)).toMatchObject({ disabled: 'failing', nextAttemptAt: null });
    expect(afterFailure({ statusCode: null }, { ...old, channel: 'mqtt' }, longest).disabled).toBeNull();
    const almost = { ...failed, failingSince: new Date(failingSince.getTime() + 1) };
    expect(afterFailure(refused, almost, longest).disabled).toBeNull();
  });

  it('asks for kinds, watch-lists, sites and times', () => {
    const all = { kinds: [], watchLists: [], sites: [], schedule: null };
    const alert = { kind: 'watch-list' as const, watchList: 'banned', siteId: 'gate', occurredAt: now };
    const night = { timeZone: 'Europe/Berlin', days: ['sunday' as const], from: '09:00', to: '10:00' };
    const asked = [
      ...[all, { ...all, kinds: ['drift' as const] }, { ...all, watchLists: ['banned'] }],
      ...[
        { ...all, watchLists: ['vip'] },
        { ...all, sites: ['gate'] },
        { ...all, sites: ['yard'] },
      ],
      ...[
        { ...all, schedule: night },
        { ...all, schedule: { ...night, from: '08:00', to: '09:00' } },
      ],
    ];
    expect(asked.map((one) => wants(one, alert))).toEqual([true, false, true, false, true, false, true, false]);
    const drift = { kind: 'drift' as const, watchList: null, siteId: null, occurredAt: now };
    expect(wants({ ...all, sites: ['gate'] }, drift)).toBe(false);
    expect(wants({ ...all, watchLists: ['vip'] }, drift)).toBe(true);
  });
});

it.each([
  ['120', 120_000],
  ['Sun, 01 Mar 2026 08:01:00 GMT', 60_000],
  ['Sun, 01 Mar 2026 07:00:00 GMT', 0],
  ['999999999', DELIVERY_MS],
  ['soon', undefined],
  [undefined, undefined],
])('Retry-After: %s', (header, ms) => {
  expect(retryAfterMs(header, now.getTime())).toBe(ms);
});
