import type { Clock } from '@sightline/kernel';

/** Wakes a loop before its time. A kick that comes while the loop is at work counts for its next sleep. */
export class Kick {
  readonly #clock: Clock;
  #kicked = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  kick(): void {
    this.#kicked = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, on a kick, or once the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#kicked && !signal.aborted) {
      const bound = new AbortController();
      const kicked = new Promise<void>((resolve) => (this.#wake = resolve));
      const slept = this.#clock.sleep(ms, AbortSignal.any([bound.signal, signal])).catch(() => undefined);
      await Promise.race([kicked, slept]);
      bound.abort();
    }
    this.#kicked = false;
  }
}
