/** Upper bounds, ms: what a frame or a face takes on anything from a server to the smallest box. */
export const LATENCY_BOUNDS_MS: readonly number[] = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560];

export interface LatencyCounts {
  readonly boundsMs: readonly number[];
  /** One for each bound, and one for what is above the last. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Counts durations by size. */
export class LatencyHistogram {
  #counts: number[] = empty();
  #sumMs = 0;

  add(ms: number): void {
    const index = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
    const bucket = index === -1 ? LATENCY_BOUNDS_MS.length : index;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += ms;
  }

  /** What was counted since the last time. */
  take(): LatencyCounts {
    const taken = { boundsMs: LATENCY_BOUNDS_MS, counts: this.#counts, sumMs: this.#sumMs };
    this.#counts = empty();
    this.#sumMs = 0;
    return taken;
  }
}

function empty(): number[] {
  return Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);
}
