import { AppError } from '@sightline/kernel';

import type { CapturedFrame, FrameSource } from '../../capture/frame-source.js';

/** A source that can be told to begin anew, as if it had failed for a moment. */
export class RestartableSource implements FrameSource {
  readonly #source: FrameSource;
  #restart: AbortController | undefined;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  get droppedFrames(): number {
    return this.#source.droppedFrames ?? 0;
  }

  /** @throws AppError `CAMERA.NOT_RUNNING` */
  restart(): void {
    if (!this.#restart) throw new AppError('CAMERA.NOT_RUNNING', 'The camera delivers nothing that could begin anew.');
    this.#restart.abort();
  }

  /** @throws AppError `CAPTURE.RESTARTED` (retryable) once it was told to */
  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    const restart = new AbortController();
    this.#restart = restart;
    try {
      yield* this.#source.frames(AbortSignal.any([signal, restart.signal]));
    } finally {
      this.#restart = undefined;
    }
    if (restart.signal.aborted && !signal.aborted) {
      throw new AppError('CAPTURE.RESTARTED', 'The camera begins anew, as it was told to.', { retryable: true });
    }
  }
}
