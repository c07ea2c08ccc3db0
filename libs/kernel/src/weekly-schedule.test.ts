import { describe, expect, it } from 'vitest';

import { isInSchedule, isTimeZone, weekdays, type WeeklySchedule } from './weekly-schedule.js';

const berlin = (from: string, to: string, days: WeeklySchedule['days'] = weekdays): WeeklySchedule => ({
  timeZone: 'Europe/Berlin',
  ...{ from, to, days },
});
const at = (iso: string): number => Date.parse(iso);

describe('a schedule', () => {
  it('goes by the clock on the wall of its zone, in winter and in summer', () => {
    const office = berlin('08:00', '17:00');
    // Wednesdays: UTC+1, and UTC+2.
    expect(isInSchedule(office, at('2026-01-14T06:59:00Z'))).toBe(false);
    expect(isInSchedule(office, at('2026-01-14T07:00:00Z'))).toBe(true);
    expect(isInSchedule(office, at('2026-01-14T15:59:59Z'))).toBe(true);
    expect(isInSchedule(office, at('2026-01-14T16:00:00Z'))).toBe(false);
    expect(isInSchedule(office, at('2026-07-15T06:00:00Z'))).toBe(true);
    expect(isInSchedule(office, at('2026-07-15T15:00:00Z'))).toBe(false);
  });

  it('that ends on the next day belongs to the day on which it begins', () => {
    const night = berlin('22:00', '06:00', ['friday']);
    expect(isInSchedule(night, at('2026-01-16T20:59:00Z'))).toBe(false); // Friday, 21:59
    expect(isInSchedule(night, at('2026-01-16T21:00:00Z'))).toBe(true); // Friday, 22:00
    expect(isInSchedule(night, at('2026-01-17T04:59:00Z'))).toBe(true); // Saturday, 05:59
    expect(isInSchedule(night, at('2026-01-17T05:00:00Z'))).toBe(false); // Saturday, 06:00
    expect(isInSchedule(night, at('2026-01-17T21:00:00Z'))).toBe(false); // Saturday, 22:00
    expect(isInSchedule(night, at('2026-01-16T04:00:00Z'))).toBe(false); // Friday, 05:00: Thursday's night
  });

  it('has no part of an hour that a time change skips, and both of one that it repeats', () => {
    const early = berlin('02:00', '03:00');
    // 2026-03-29: 01:59:59 is followed by 03:00:00.
    expect(isInSchedule(early, at('2026-03-29T00:59:59Z'))).toBe(false);
    expect(isInSchedule(early, at('2026-03-29T01:00:00Z'))).toBe(false);
    // 2026-10-25: 02:59:59 in summer is followed by 02:00:00 in winter.
    expect(isInSchedule(early, at('2026-10-25T00:00:00Z'))).toBe(true);
    expect(isInSchedule(early, at('2026-10-25T01:30:00Z'))).toBe(true);
    expect(isInSchedule(early, at('2026-10-25T02:00:00Z'))).toBe(false);
  });

  it('spans a time change in the night by the clock on the wall', () => {
    const night = berlin('22:00', '06:00', ['saturday']);
    // The night to 2026-03-29 has seven hours, the one to 2026-10-25 nine.
    expect(isInSchedule(night, at('2026-03-29T03:59:59Z'))).toBe(true);
    expect(isInSchedule(night, at('2026-03-29T04:00:00Z'))).toBe(false);
    expect(isInSchedule(night, at('2026-10-25T04:59:59Z'))).toBe(true);
    expect(isInSchedule(night, at('2026-10-25T05:00:00Z'))).toBe(false);
  });

  it('knows zones by their names', () => {
    expect(['Europe/Berlin', 'UTC', 'Asia/Kathmandu'].every(isTimeZone)).toBe(true);
    expect(['Europe/Atlantis', ''].some(isTimeZone)).toBe(false);
    expect(isInSchedule({ ...berlin('00:00', '00:30'), timeZone: 'Asia/Kathmandu' }, at('2026-01-13T18:20:00Z'))).toBe(
      true,
    );
  });
});
