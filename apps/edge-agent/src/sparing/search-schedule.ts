import type { Box, Frame, Point } from '@sightline/vision';

import type { RelativePolygon } from '../capture/region.js';
import { MotionGate } from './motion-gate.js';

/** Which frames are searched for faces. Times are ms of the stream. */
export interface SparingPolicy {
  readonly motionGate: {
    readonly enabled: boolean;
    /** A picture in which nothing moves and nobody is followed is searched this often. */
    readonly restMs: number;
    /** Levels of 256, above noise. */
    readonly threshold: number;
  };
  readonly detectionRate: {
    /** Between two searches while everybody in view is known and steady; 0: each frame is searched. */
    readonly steadyIntervalMs: number;
    /** At most, while the box cannot keep up. */
    readonly maximumIntervalMs: number;
  };
}

export const defaultSparingPolicy: SparingPolicy = {
  motionGate: { enabled: true, restMs: 2000, threshold: 4 },
  detectionRate: { steadyIntervalMs: 300, maximumIntervalMs: 500 },
};

/** Who was followed after the last search. */
export interface Followed {
  /** Whether a track is young, was lost, moves fast, or has yet to be reported: each frame counts for it. */
  readonly unsettled: boolean;
  /** The faces of the others. */
  readonly steady: readonly Box[];
}

export const nobody: Followed = { unsettled: false, steady: [] };

/** For so long after something moved it may be somebody who shows their face in a moment. */
const LINGER_MS = 1000;
/** Frames do not come evenly: one that is early by this part of the interval is on time. */
const EARLY = 0.15;
/** Of what was measured before, in the mean of durations. */
const KEPT = 0.9;

/**
 * Decides which frames of one camera are searched for faces. The first is; every frame is while somebody is
 * unsettled, and while something moves that is not known. Where everybody is known and steady, and what moves is they
 * themselves, the tracker bridges some frames, more of them when the box is busy. Where nothing moves and nobody is
 * followed, a frame is searched now and then for whoever has been there all the time.
 */
export class SearchSchedule {
  readonly #policy: SparingPolicy;
  readonly #gate: MotionGate | undefined;
  #searchedMs = -Infinity;
  #movedMs = -Infinity;
  #lastFrameMs: number | undefined;
  /** Means, ms. */
  #frameMs = 0;
  #searchMs = 0;

  constructor(policy: SparingPolicy, region?: RelativePolygon) {
    this.#policy = policy;
    const { enabled, threshold } = policy.motionGate;
    this.#gate = enabled ? new MotionGate({ threshold, region }) : undefined;
  }

  /** Whether to search a frame. Asked for every frame, in order. @param closeAfterMs of the tracker */
  wants(frame: Frame, atMs: number, { unsettled, steady }: Followed, closeAfterMs: number): boolean {
    const motion = this.#gate?.look(frame, atMs);
    if (this.#lastFrameMs !== undefined) this.#frameMs = mean(this.#frameMs, atMs - this.#lastFrameMs);
    this.#lastFrameMs = atMs;
    const isUnknown = motion?.cells.some((cell) => !steady.some((face) => isOnPerson(cell, face))) ?? false;
    if (isUnknown || motion?.isNew) this.#movedMs = atMs;
    if (motion?.isNew || unsettled || isUnknown) return true;
    const waitedMs = atMs - this.#searchedMs;
    if (steady.length > 0) return waitedMs >= this.#steadyMs(closeAfterMs) * (1 - EARLY);
    if (!motion) return true;
    return atMs - this.#movedMs < LINGER_MS || waitedMs >= this.#policy.motionGate.restMs * (1 - EARLY);
  }

  /** A frame was searched. @param tookMs until the answer came, with the time that others were served in */
  searched(atMs: number, tookMs: number): void {
    this.#searchedMs = atMs;
    this.#searchMs = mean(this.#searchMs, tookMs);
  }

  /** Grows with the part of the time that searching every frame would take, and leaves a lost track time to be found. */
  #steadyMs(closeAfterMs: number): number {
    const { steadyIntervalMs, maximumIntervalMs } = this.#policy.detectionRate;
    const load = this.#frameMs > 0 ? this.#searchMs / this.#frameMs : 0;
    const wanted = Math.min(steadyIntervalMs * Math.max(1, load), Math.max(steadyIntervalMs, maximumIntervalMs));
    return Math.min(wanted, closeAfterMs / 2);
  }
}

/** Whether something is where the body and the head of a face's owner are: three faces wide, to the floor. */
function isOnPerson({ x, y }: Point, { x: left, y: top, width, height }: Box): boolean {
  return x >= left - width && x <= left + 2 * width && y >= top - height;
}

function mean(before: number, value: number): number {
  return before === 0 ? value : KEPT * before + (1 - KEPT) * value;
}
