import type { Clock } from '@sightline/kernel';

/** Keeps a transfer at a rate: a second's worth may come at once, and what is more waits. */
export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  readonly #bytesPerMs: number;
  #freeAtMs = -Infinity;

  /** @param bytesPerSecond above 0 */
  constructor(bytesPerSecond: number, clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Resolves once so many bytes more are within the rate; rejects with the signal's reason. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    // An idle line saves up one second at most.
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - 1000) + bytes / this.#bytesPerMs;
    if (this.#freeAtMs > nowMs) await this.#clock.sleep(this.#freeAtMs - nowMs, signal);
  }
}
