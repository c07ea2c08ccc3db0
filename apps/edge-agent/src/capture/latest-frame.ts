import type { Frame } from '@sightline/vision';

import type { Moment } from './frame-source.js';

/** A frame as it arrived. */
export interface ArrivedFrame {
  readonly frame: Frame;
  /** Counts what arrived, from 0. */
  readonly index: number;
  readonly arrivedAt: Moment;
}

/**
 * The place between a producer that cannot wait and a consumer that may be slow: a queue of one, in which a
 * newer frame replaces the one that nobody took.
 *
 * Invariant: of the buffers one is being filled, at most one waits and at most one is the consumer's, from its
 * `take` to the next. So there are three, in shared memory, used again and again, and none is written to while
 * it is read.
 */
export class LatestFrame {
  #spare: readonly SharedArrayBuffer[] = [];
  #waiting: ArrivedFrame | undefined;
  #taken: ArrivedFrame | undefined;
  #end: { readonly error?: Error } | undefined;
  #wake: (() => void) | undefined;
  #arrived = 0;
  #dropped = 0;

  /** Frames that were offered. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Frames that nobody took in time. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Memory of that size that nobody reads; it is the caller's until it offers a frame over it. */
  buffer(bytes: number): Uint8Array {
    const fitting = this.#spare.find(({ byteLength }) => byteLength === bytes);
    // Of another size: the stream has changed, and what is left of the old size is not needed again.
    this.#spare = this.#spare.filter((buffer) => buffer !== fitting && buffer.byteLength === bytes);
    return new Uint8Array(fitting ?? new SharedArrayBuffer(bytes));
  }

  /** @param frame over one of {@link buffer}'s */
  offer(frame: Frame, arrivedAt: Moment): void {
    if (this.#end) return;
    if (this.#waiting) {
      this.#dropped += 1;
      this.#release(this.#waiting);
    }
    this.#waiting = { frame, index: this.#arrived, arrivedAt };
    this.#arrived += 1;
    this.#wake?.();
  }

  /** No frame will come any more; what waits may still be taken. The first end counts. */
  finish(error?: Error): void {
    this.#end ??= error ? { error } : {};
    this.#wake?.();
  }

  /**
   * Waits for the next frame, which is the caller's until its next call; the one before is given back.
   *
   * @returns undefined at the end
   * @throws what {@link finish} was told
   */
  async take(): Promise<ArrivedFrame | undefined> {
    if (this.#taken) this.#release(this.#taken);
    this.#taken = undefined;
    while (!this.#waiting && !this.#end) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    this.#taken = this.#waiting;
    this.#waiting = undefined;
    if (!this.#taken && this.#end?.error) throw this.#end.error;
    return this.#taken;
  }

  #release({ frame: { data } }: ArrivedFrame): void {
    if (data.buffer instanceof SharedArrayBuffer) this.#spare = [...this.#spare, data.buffer];
  }
}
