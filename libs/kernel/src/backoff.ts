export interface BackoffOptions {
  /** Delay bound of the first attempt, ms. */
  readonly baseMs: number;
  /** Bound of every delay, ms. */
  readonly capMs: number;
  /** Uniform in [0, 1). Injected, so that tests are deterministic. */
  readonly random?: () => number;
}

/**
 * Exponential backoff with equal jitter: between half and the whole of min(cap, base · 2^attempt).
 * The jitter spreads a fleet that lost its broker at the same moment.
 *
 * @param attempt 0 for the first retry
 * @returns the delay in ms
 */
export function backoffMs(attempt: number, { baseMs, capMs, random = Math.random }: BackoffOptions): number {
  const bound = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
  return bound / 2 + (random() * bound) / 2;
}
