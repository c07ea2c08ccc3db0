import { LocalClock, localDays, type LocalDay } from '../attendance/local-days.js';

const HOUR_MS = 3_600_000;

/** Days of a time zone, both ends included, and what figures are wanted of: each hour, each day, or all of it. */
export interface LocalRange {
  /** YYYY-MM-DD */
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
  readonly per: 'hour' | 'day' | 'range';
}

/** Times from one to before another, each with its beginning by the clock on the wall. */
export interface TimeBuckets {
  readonly from: Date;
  readonly to: Date;
  /** Beginnings, earliest first: each ends where the next begins, the last at `to`. */
  readonly starts: readonly Date[];
  /** Whether all borders are whole hours of UTC. */
  readonly wholeHours: boolean;
  readonly local: (start: Date) => string;
}

/** Cuts a range at the borders of days, and those into hours of 60 minutes from the beginning of the day. */
export function timeBuckets({ from, to, timeZone, per }: LocalRange): TimeBuckets {
  const clock = new LocalClock(timeZone);
  // A day that a zone left out has no time in it.
  const days = [...localDays(clock, from, to)].filter((day) => day.from < day.to);
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) {
    const nothing = clock.startOf(from);
    return { from: nothing, to: nothing, starts: [nothing], wholeHours: true, local: (start) => clock.format(start) };
  }
  const starts = {
    hour: () => days.flatMap(hoursOf),
    day: () => days.map((day) => day.from),
    range: () => [first.from],
  };
  return {
    from: first.from,
    to: last.to,
    starts: starts[per](),
    wholeHours: [...days.map((day) => day.from), last.to].every((border) => border.getTime() % HOUR_MS === 0),
    local: (start) => clock.format(start),
  };
}

function hoursOf({ from, to }: LocalDay): Date[] {
  const hours = Math.ceil((to.getTime() - from.getTime()) / HOUR_MS);
  return Array.from({ length: hours }, (_, hour) => new Date(from.getTime() + hour * HOUR_MS));
}
