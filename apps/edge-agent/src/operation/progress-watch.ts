import type { Clock } from '@sightline/kernel';

import type { CameraStatus } from '../pipeline/camera-pipeline.js';

/** Longer than the longest time between two frames that a source may be configured to, and than any restart of one. */
const CAMERA_STUCK_AFTER_MS = 180_000;
const RECOGNISER_STUCK_AFTER_MS = 120_000;
/** An idle recogniser is not asked more often. */
const ASK_EVERY_MS = 60_000;
const OUTBOX_STUCK_AFTER_MS = 120_000;

export interface ProgressWatchOptions {
  readonly cameras: () => readonly CameraStatus[];
  /** Asks the recogniser for a sign of life; undefined while there is none. Rejects are signs of life too. */
  readonly askRecogniser: () => Promise<unknown> | undefined;
  readonly outbox: () => { readonly stored: number; readonly waiting: number; readonly problem: string | null };
  readonly clock: Clock;
}

interface Mark {
  readonly value: number;
  readonly sinceMs: number;
}

/**
 * Tells whether the agent gets anywhere. A camera that is known to be down, a full disk and an absent cloud are states
 * in which the agent does what it can: a restart would not help. A camera that is said to run and brings nothing, a
 * recogniser that no longer answers, and an outbox that stores nothing and does not know why are what a watchdog is for.
 */
export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  readonly #marks = new Map<string, Mark>();
  #askedMs: number | undefined;
  #answeredMs = -Infinity;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
  }

  /** Looks, and says what is stuck: `camera:door`, `recogniser`, `outbox`. Call it every few seconds. */
  check(): readonly string[] {
    const { cameras, outbox } = this.#options;
    const moved = this.#framesMoved(cameras());
    const stuck = cameras()
      .filter((camera) => this.#isCameraStuck(camera))
      .map(({ cameraId }) => `camera:${cameraId}`);
    if (this.#isRecogniserStuck(moved)) stuck.push('recogniser');
    const { stored, waiting, problem } = outbox();
    const isIdle = waiting === 0 || problem !== null;
    if (this.#stillFor('outbox', stored, isIdle) >= OUTBOX_STUCK_AFTER_MS) stuck.push('outbox');
    return stuck;
  }

  #isCameraStuck({ cameraId, state, problem, frames }: CameraStatus): boolean {
    const isExcused = state !== 'running' || problem !== null;
    return this.#stillFor(`camera:${cameraId}`, frames, isExcused) >= CAMERA_STUCK_AFTER_MS;
  }

  /** How long a value has not changed, ms; 0 while nothing is expected of it. */
  #stillFor(what: string, value: number, isExcused: boolean): number {
    const nowMs = this.#options.clock.monotonicMs();
    const mark = this.#marks.get(what);
    if (isExcused || mark?.value !== value) {
      this.#marks.set(what, { value, sinceMs: nowMs });
      return 0;
    }
    return nowMs - mark.sinceMs;
  }

  #framesMoved(cameras: readonly CameraStatus[]): boolean {
    const total = cameras.reduce((sum, { frames }) => sum + frames, 0);
    const before = this.#marks.get('frames')?.value;
    this.#marks.set('frames', { value: total, sinceMs: 0 });
    return before !== undefined && total > before;
  }

  /** Frames that were looked at are its answers. Without any it is asked, and its answer awaited over several checks. */
  #isRecogniserStuck(moved: boolean): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const answered = (): void => {
      this.#askedMs = undefined;
      this.#answeredMs = this.#options.clock.monotonicMs();
    };
    if (moved) answered();
    if (this.#askedMs !== undefined) return nowMs - this.#askedMs >= RECOGNISER_STUCK_AFTER_MS;
    if (nowMs - this.#answeredMs < ASK_EVERY_MS) return false;
    const answer = this.#options.askRecogniser();
    if (!answer) return false;
    this.#askedMs = nowMs;
    answer.then(answered, answered);
    return false;
  }
}
