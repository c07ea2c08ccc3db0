import { AppError, type Clock } from '@sightline/kernel';

/** Images that one caller opens within a window: enough for whoever reviews one after another, not for a copy of all. */
const LIMIT = 30;
const WINDOW_MS = 60_000;

/** Bounds how many images a caller opens, in this process. */
export class OpeningPace {
  readonly #opened = new Map<string, readonly number[]>();

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  /** @throws AppError `REQUEST.RATE_LIMITED` (retryable, says when) */
  take(caller: string): void {
    const nowMs = this.clock.monotonicMs();
    for (const [other, times] of this.#opened) {
      if ((times.at(-1) ?? 0) <= nowMs - WINDOW_MS) this.#opened.delete(other);
    }
    const recent = (this.#opened.get(caller) ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS);
    const [first] = recent;
    if (recent.length >= LIMIT && first !== undefined) {
      throw new AppError('REQUEST.RATE_LIMITED', `One caller opens at most ${LIMIT} images a minute.`, {
        retryable: true,
        details: { retryAfterSeconds: (first + WINDOW_MS - nowMs) / 1000 },
      });
    }
    this.#opened.set(caller, [...recent, nowMs]);
  }
}
