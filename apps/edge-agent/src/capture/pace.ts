import type { Clock } from '@sightline/kernel';

/** Lets at most so many frames a second through; one that comes late does not make the next ones hurry. */
export class Pace {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #dueMs = -Infinity;

  /** @param framesPerSecond above 0 */
  constructor(clock: Clock, framesPerSecond: number) {
    this.#clock = clock;
    this.#intervalMs = 1000 / framesPerSecond;
  }

  /** Resolves when the next frame is due; rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = this.#clock.monotonicMs();
    if (now < this.#dueMs) await this.#clock.sleep(this.#dueMs - now, signal);
    this.#dueMs = Math.max(this.#dueMs, now) + this.#intervalMs;
  }
}
