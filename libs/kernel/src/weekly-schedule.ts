export const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
type Weekday = (typeof weekdays)[number];

/** A time of every week, by a zone's clock on the wall. */
export interface WeeklySchedule {
  /** Of the IANA database. */
  readonly timeZone: string;
  /** Days on which it begins. */
  readonly days: readonly Weekday[];
  /** HH:MM, included. */
  readonly from: string;
  /** HH:MM, excluded; before `from` it is one of the next day. */
  readonly to: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether the IANA database, as this Node has it, knows the zone. */
export function isTimeZone(timeZone: string): boolean {
  try {
    formatOf(timeZone);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a moment lies in a schedule. All is reckoned by the zone's own clock on the wall, so that 22:00 is 22:00
 * in summer and in winter: an hour that a time change skips is in no schedule, and one that it repeats is in twice.
 *
 * @param wallMs ms since the Unix epoch
 */
export function isInSchedule({ timeZone, days, from, to }: WeeklySchedule, wallMs: number): boolean {
  const { day, time } = localTime(timeZone, wallMs);
  const [today, yesterday] = [weekdays[day], weekdays[(day + 6) % 7]].map((name) => days.some((one) => one === name));
  // Times of day of one length compare as texts do.
  if (from < to) return today === true && time >= from && time < to;
  return (today === true && time >= from) || (yesterday === true && time < to);
}

/** @returns day of the week, 0 is Sunday; time of the day by the clock on the wall, HH:MM */
function localTime(timeZone: string, wallMs: number): { readonly day: number; readonly time: string } {
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(wallMs)
      .map(({ type, value }) => [type, value]),
  );
  const day = weekdays.findIndex((name) => name === parts.get('weekday')?.toLowerCase());
  return { day, time: `${parts.get('hour') ?? ''}:${parts.get('minute') ?? ''}` };
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const options = { weekday: 'long', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  // The making of one takes longer than all its answers of a day.
  const format = new Intl.DateTimeFormat('en-US', { timeZone, ...options });
  formats.set(timeZone, format);
  return format;
}
