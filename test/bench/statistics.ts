/** The middle value; the mean of the middle two of an even number. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return below === undefined || above === undefined ? Number.NaN : (below + above) / 2;
}

/** The value that a share of all is not above. NaN for none. @param share 0 to 1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** What least disturbed a measurement on a shared machine can be: its fastest run. */
export function fastest(ms: readonly number[]): number {
  return Math.min(...ms);
}

/** Rounded to four significant digits: a report is read, and nothing here is known better. */
export function significant(value: number): number {
  return Number(value.toPrecision(4));
}

/** CPU time that the process has used so far in all its threads, ms: unlike the clock it stands still while others run. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
