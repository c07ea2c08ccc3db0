/** How the page writes times and numbers. Pure: what depends on the time of day is told the time. */

const clockFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const yearFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const fullFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' });
const zoneFormat = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'shortOffset' });

/**
 * The time of day; before it the date, when that is not today's, with the year, when that is not this one.
 *
 * @param {number} ms since the Unix epoch
 * @param {number} nowMs
 */
export function clockTime(ms, nowMs) {
  const time = clockFormat.format(ms);
  if (yearFormat.format(ms) === yearFormat.format(nowMs)) return time;
  const isThisYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear();
  return `${(isThisYear ? dayFormat : yearFormat).format(ms)}, ${time}`;
}

/**
 * Date, time and time zone in full.
 *
 * @param {number} ms
 */
export function fullTime(ms) {
  return fullFormat.format(ms);
}

/** The time zone of every time on the page: its name and its distance from UTC. */
export function timeZone() {
  const offset = zoneFormat.formatToParts().find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const { timeZone: name } = zoneFormat.resolvedOptions();
  return name === 'UTC' ? name : `${name} (${offset.replace('GMT', 'UTC')})`;
}

/**
 * How long ago something was, the coarser the longer: hundreds of times are not written anew each second. A time to
 * come (a clock is wrong) is now.
 *
 * @param {number} ms
 * @param {number} nowMs
 */
export function relativeTime(ms, nowMs) {
  const seconds = Math.floor((nowMs - ms) / 1000);
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${seconds < 10 ? seconds : seconds - (seconds % 10)} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
}

/**
 * A duration: milliseconds up to ten seconds, then coarser.
 *
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 10_000) return `${integer(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/**
 * A whole number with its thousands apart.
 *
 * @param {number} value
 */
export function integer(value) {
  return Math.round(value).toLocaleString('en-GB');
}
