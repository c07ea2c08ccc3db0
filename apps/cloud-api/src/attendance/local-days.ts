/** A day of a time zone, from its first instant to before that of the next. */
export interface LocalDay {
  /** YYYY-MM-DD */
  readonly day: string;
  readonly from: Date;
  readonly to: Date;
}

const DAY_MS = 86_400_000;
/** Offsets from UTC lie between -12 and +14 hours. */
const FURTHEST_MS = 15 * 3_600_000;

/** The clock on the wall of a time zone. */
export class LocalClock {
  readonly #format: Intl.DateTimeFormat;

  /** @param timeZone a name of the IANA data base */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'longOffset' },
    });
  }

  /** YYYY-MM-DD */
  dayOf(time: Date): string {
    const { year, month, day } = this.#partsOf(time);
    return `${year}-${month}-${day}`;
  }

  /** RFC 3339 with the offset from UTC: 2026-03-29T08:05:00+02:00 */
  format(time: Date): string {
    const { year, month, day, hour, minute, second, timeZoneName = '' } = this.#partsOf(time);
    const offset = timeZoneName.replace('GMT', '');
    return `${year}-${month}-${day}T${hour}:${minute}:${second}${offset === '' ? '+00:00' : offset}`;
  }

  /**
   * The instant at which a day begins: midnight, or where clocks are put forward over midnight the time that comes in
   * its place. A day that a zone left out is empty: it begins when the next one does.
   *
   * @param guess when it may well begin: looked at first, since searching takes ten times as long
   */
  startOf(day: string, guess?: Date): Date {
    if (guess && this.dayOf(guess) === day && this.dayOf(new Date(guess.getTime() - 1)) < day) return guess;
    const midnight = Date.parse(day);
    let before = midnight - FURTHEST_MS;
    let since = midnight + FURTHEST_MS;
    while (since - before > 1) {
      const middle = Math.floor((before + since) / 2);
      if (this.dayOf(new Date(middle)) < day) before = middle;
      else since = middle;
    }
    return new Date(since);
  }

  #partsOf(time: Date): Readonly<Record<string, string | undefined>> & Readonly<Record<NamedPart, string>> {
    const parts = this.#format.formatToParts(time).map(({ type, value }) => [type, value] as const);
    return Object.fromEntries(parts) as Record<NamedPart, string>;
  }
}

type NamedPart = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

/** How many days there are from one to another, both included; less than 1 when they are the wrong way round. */
export const daysBetween = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;

/** The days from one to another, both included, earliest first. */
export function* localDays(clock: LocalClock, from: string, to: string): Generator<LocalDay> {
  let start = clock.startOf(from);
  for (let time = Date.parse(from); time <= Date.parse(to); time += DAY_MS) {
    const next = clock.startOf(isoDay(time + DAY_MS), new Date(start.getTime() + DAY_MS));
    yield { day: isoDay(time), from: start, to: next };
    start = next;
  }
}

const isoDay = (time: number): string => new Date(time).toISOString().slice(0, 10);
