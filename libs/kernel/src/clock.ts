import { setTimeout as delay } from 'node:timers/promises';

/** Time as an injected dependency, so that retries, leases and rollouts can run on virtual time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump in either direction: boxes boot with wrong clocks. */
  wallMs(): number;
  /** Milliseconds since an arbitrary point. Never goes backwards within one process. */
  monotonicMs(): number;
  /** Resolves after `ms` of monotonic time; rejects with the signal's reason once it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own time: the only place that reads it. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(Math.max(0, ms), undefined, signal ? { signal } : {});
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};
