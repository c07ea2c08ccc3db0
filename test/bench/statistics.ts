export { median, percentile, significant } from '@sightline/matching';

/** What least disturbed a measurement on a shared machine can be: its fastest run. */
export function fastest(ms: readonly number[]): number {
  return Math.min(...ms);
}

/** CPU time that the process has used so far in all its threads, ms: unlike the clock it stands still while others run. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
