import { median, percentile, significant } from '../statistics.js';

/** Wall times of a repeated piece of work, ms. */
export interface Times {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function msOf(work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Repeats work, after a tenth more to warm up. @param work is told which repetition it is */
export async function repeat(count: number, work: (index: number) => unknown): Promise<readonly number[]> {
  const ms: number[] = [];
  const warmUp = Math.ceil(count / 10);
  for (let index = 0; index < warmUp + count; index += 1) {
    const took = await msOf(() => work(index));
    if (index >= warmUp) ms.push(took);
  }
  return ms;
}

export function timesOf(ms: readonly number[]): Times {
  return { p50Ms: significant(median(ms)), p99Ms: significant(percentile(ms, 0.99)) };
}
