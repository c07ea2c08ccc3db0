import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { daysBetween, LocalClock, localDays } from './local-days.js';

const HOUR_MS = 3_600_000;
const hoursOf = (timeZone: string, day: string): number => {
  const [only] = [...localDays(new LocalClock(timeZone), day, day)];
  return only === undefined ? Number.NaN : (only.to.getTime() - only.from.getTime()) / HOUR_MS;
};

describe('a day of a time zone', () => {
  it.each([
    ['UTC', '2026-03-29', 24],
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['America/New_York', '2026-11-01', 25],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    ['Asia/Kathmandu', '2026-05-01', 24],
    // Clocks go forward over midnight.
    ['Africa/Cairo', '2026-04-24', 23],
    ['America/Santiago', '2026-09-06', 23],
    // Samoa went over the date line.
    ['Pacific/Apia', '2011-12-30', 0],
  ])('of %s on %s has %d hours', (timeZone, day, hours) => {
    expect(hoursOf(timeZone, day)).toBe(hours);
  });

  it('begins at midnight, or when there is none with the hour after it', () => {
    expect(new LocalClock('Europe/Berlin').startOf('2026-07-01').toISOString()).toBe('2026-06-30T22:00:00.000Z');
    expect(new LocalClock('Africa/Cairo').format(new LocalClock('Africa/Cairo').startOf('2026-04-24'))).toBe(
      '2026-04-24T01:00:00+03:00',
    );
  });

  it('says its times with their offset', () => {
    const time = new Date('2026-11-22T08:05:09Z');
    expect(new LocalClock('America/St_Johns').format(time)).toBe('2026-11-22T04:35:09-03:30');
    expect(new LocalClock('UTC').format(time)).toBe('2026-11-22T08:05:09+00:00');
  });

  const zones = Intl.supportedValuesOf('timeZone');
  const anyZone = fc.constantFrom(...zones);
  // Newfoundland's clocks were put back at a minute past midnight until 2011: that minute was there twice.
  const anyDay = fc.integer({ min: Date.parse('2012-01-02'), max: Date.parse('2037-12-31') });

  it('holds every instant that has its date, in any zone, and no other', () => {
    fc.assert(
      fc.property(anyZone, anyDay, (timeZone, ms) => {
        const clock = new LocalClock(timeZone);
        const time = new Date(ms);
        const day = clock.dayOf(time);
        const [own] = [...localDays(clock, day, day)];
        expect(own && own.from <= time && time < own.to).toBe(true);
        for (const inside of [own?.from.getTime() ?? 0, (own?.to.getTime() ?? 0) - 1]) {
          expect(clock.dayOf(new Date(inside))).toBe(day);
        }
        expect(Date.parse(clock.format(time))).toBe(ms - (ms % 1000));
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('ends where the next begins', () => {
    fc.assert(
      fc.property(anyZone, anyDay, fc.integer({ min: 0, max: 10 }), (timeZone, ms, more) => {
        const [from, to] = [ms, ms + more * 24 * HOUR_MS].map((one) => new Date(one).toISOString().slice(0, 10));
        const days = [...localDays(new LocalClock(timeZone), from ?? '', to ?? '')];
        expect(days).toHaveLength(daysBetween(from ?? '', to ?? ''));
        days.slice(1).forEach((next, index) => {
          expect(next.from).toEqual(days[index]?.to);
        });
      }),
      { numRuns: 60, seed: 7 },
    );
  });
});
