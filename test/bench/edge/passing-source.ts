import type { CapturedFrame, FrameSource } from '@sightline/edge-agent';
import { systemClock, type Clock } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';
import { setTimeout as sleep } from 'node:timers/promises';

/** From a frame to the next, ms: ten a second, as cameras are looked at by default. */
const FRAME_MS = 100;
/** Of the stream's own time, between passes: whoever was there is gone. */
const PAUSE_STREAM_MS = 10_000;

/** A camera before which one person passes again and again: so many frames each time, in real time, then nobody. */
export class PassingSource implements FrameSource {
  readonly #frames: { readonly face: Frame; readonly nobody: Frame; readonly perPass: number };
  #wanted: (() => void)[] = [];
  #wake: () => void = () => undefined;
  /** When the frames of the last pass were captured, ms. */
  capturedAtMs: number[] = [];

  readonly #clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;

  /** @param clock the agent's */
  constructor(
    frames: { readonly face: Frame; readonly nobody: Frame; readonly perPass: number },
    clock: Pick<Clock, 'monotonicMs' | 'wallMs'> = systemClock,
  ) {
    this.#frames = frames;
    this.#clock = clock;
  }

  /** Has somebody pass; resolves when they have been out of sight for long. */
  pass(): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted.push(resolve);
      this.#wake();
    });
  }

  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let index = 0;
    let streamMs = 0;
    const captured = (frame: Frame): CapturedFrame => {
      const capturedAt = { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
      return { frame, index: index++, streamMs, capturedAt };
    };
    while (!signal.aborted) {
      const done = this.#wanted.shift();
      if (!done) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      this.capturedAtMs = [];
      for (let count = 0; count < this.#frames.perPass; count += 1) {
        streamMs += FRAME_MS;
        const frame = captured(this.#frames.face);
        this.capturedAtMs.push(frame.capturedAt.monotonicMs);
        yield frame;
        await sleep(Math.max(0, frame.capturedAt.monotonicMs + FRAME_MS - this.#clock.monotonicMs()));
      }
      streamMs += PAUSE_STREAM_MS;
      yield captured(this.#frames.nobody);
      done();
    }
  }
}
