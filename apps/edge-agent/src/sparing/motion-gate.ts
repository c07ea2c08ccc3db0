import type { Frame, Point } from '@sightline/vision';

import { isCentredIn, type RelativePolygon } from '../capture/region.js';

export interface MotionGateOptions {
  /**
   * A cell has moved when its pixels differ from the background by so much more than the picture's own noise, in the
   * mean, in levels of 256.
   */
  readonly threshold: number;
  /** Nothing outside is looked at; everything is when absent. */
  readonly region?: RelativePolygon | undefined;
}

/** Where a picture has moved. */
export interface Motion {
  /** Of a picture that there is nothing to compare with: the first one, or one of another size. */
  readonly isNew: boolean;
  /** Centres of the cells that moved, in pixels of the frame; none when it is too few to be anybody. */
  readonly cells: readonly Point[];
}

/** A picture is looked at in about so many places along its longer side: 8 pixels apart at 720p. */
const SAMPLES_ALONG = 160;
/** Samples along each side of a cell: 40 pixels at 720p. */
const CELL = 5;
/** A nearest or farthest person moves more than this; a single cell may be a fly, or a spark of the sensor. */
const FEWEST_CELLS = 2;
/** The background takes up what stays: a light that dims within seconds moves nothing. */
const BACKGROUND_MS = 2000;
/** Noise is learnt from what is still … */
const NOISE_MS = 2000;
/** … and, much slower, from what never is: leaves, a screen, the grain of a night. */
const UNREST_MS = 60_000;
/** Beyond it nothing is noise: else a busy corridor would become still, levels. */
const NOISIEST = 12;
/** All that is seen in the first moments is taken for noise: by then one has searched anyway. */
const LEARNING_MS = 1000;

/**
 * Tells where a picture moves, from few of its pixels: the mean absolute difference of a cell's brightness from a
 * background that adapts slowly, above the noise that the cell is known for. At 720p 14,400 pixels are read.
 */
export class MotionGate {
  readonly #options: MotionGateOptions;
  #scene: Scene | undefined;

  constructor(options: MotionGateOptions) {
    this.#options = options;
  }

  /** @param atMs of the stream; one that goes back counts as standing still */
  look(frame: Frame, atMs: number): Motion {
    const scene = this.#scene;
    if (scene?.width !== frame.width || scene.height !== frame.height) {
      this.#scene = new Scene(frame, atMs, this.#options);
      return { isNew: true, cells: [] };
    }
    const cells = scene.look(frame, atMs);
    return { isNew: false, cells: cells.length < FEWEST_CELLS ? [] : cells };
  }
}

/** What is known of pictures of one size. */
class Scene {
  readonly width: number;
  readonly height: number;
  readonly #threshold: number;
  /** Pixels from sample to sample. */
  readonly #step: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #cellColumns: number;
  readonly #background: Float32Array;
  /** Sums of the samples' differences, by cell. */
  readonly #sums: Float32Array;
  readonly #noise: Float32Array;
  /** Centres of the cells that are looked at; undefined for the others. */
  readonly #centres: readonly (Point | undefined)[];
  readonly #beganMs: number;
  #lastMs: number;

  constructor(frame: Frame, atMs: number, { threshold, region }: MotionGateOptions) {
    this.width = frame.width;
    this.height = frame.height;
    this.#threshold = threshold;
    this.#step = Math.max(1, Math.round(Math.max(frame.width, frame.height) / SAMPLES_ALONG));
    this.#columns = Math.ceil(frame.width / this.#step);
    this.#rows = Math.ceil(frame.height / this.#step);
    this.#cellColumns = Math.ceil(this.#columns / CELL);
    const cells = this.#cellColumns * Math.ceil(this.#rows / CELL);
    this.#background = new Float32Array(this.#columns * this.#rows);
    this.#sums = new Float32Array(cells);
    this.#noise = new Float32Array(cells);
    this.#centres = Array.from({ length: cells }, (_, cell) => this.#centreOf(cell, region));
    this.#beganMs = atMs;
    this.#lastMs = atMs;
    this.#compare(frame, 1);
  }

  look(frame: Frame, atMs: number): readonly Point[] {
    const passedMs = Math.max(0, atMs - this.#lastMs);
    this.#lastMs += passedMs;
    this.#sums.fill(0);
    this.#compare(frame, adaptation(passedMs, BACKGROUND_MS));
    const isLearning = this.#lastMs - this.#beganMs < LEARNING_MS;
    const still = adaptation(passedMs, isLearning ? LEARNING_MS / 4 : NOISE_MS);
    const unrest = isLearning ? still : adaptation(passedMs, UNREST_MS);
    const moved: Point[] = [];
    for (const [cell, centre] of this.#centres.entries()) {
      if (centre === undefined) continue;
      const difference = (this.#sums[cell] ?? 0) / this.#samplesIn(cell);
      const noise = this.#noise[cell] ?? 0;
      const hasMoved = difference > noise + this.#threshold;
      if (hasMoved) moved.push(centre);
      this.#noise[cell] = Math.min(NOISIEST, noise + (hasMoved ? unrest : still) * (difference - noise));
    }
    return moved;
  }

  /** Adds up the differences by cell, and moves the background by a part of them. */
  #compare({ data }: Frame, adapted: number): void {
    const background = this.#background;
    const middle = this.#step >> 1;
    let sample = 0;
    for (let row = 0; row < this.#rows; row += 1) {
      const y = Math.min(this.height - 1, row * this.#step + middle);
      const firstCell = Math.floor(row / CELL) * this.#cellColumns;
      for (let column = 0; column < this.#columns; column += 1) {
        const at = (y * this.width + Math.min(this.width - 1, column * this.#step + middle)) * 3;
        const brightness = ((data[at] ?? 0) + 2 * (data[at + 1] ?? 0) + (data[at + 2] ?? 0)) / 4;
        const known = background[sample] ?? 0;
        const cell = firstCell + Math.floor(column / CELL);
        this.#sums[cell] = (this.#sums[cell] ?? 0) + Math.abs(brightness - known);
        background[sample] = known + adapted * (brightness - known);
        sample += 1;
      }
    }
  }

  #samplesIn(cell: number): number {
    const across = Math.min(CELL, this.#columns - (cell % this.#cellColumns) * CELL);
    const down = Math.min(CELL, this.#rows - Math.floor(cell / this.#cellColumns) * CELL);
    return across * down;
  }

  /** Undefined when no corner of the cell, nor its centre, lies in the region. */
  #centreOf(cell: number, region: RelativePolygon | undefined): Point | undefined {
    const side = CELL * this.#step;
    const x = (cell % this.#cellColumns) * side;
    const y = Math.floor(cell / this.#cellColumns) * side;
    const centre = { x: Math.min(this.width, x + side / 2), y: Math.min(this.height, y + side / 2) };
    const corners = [0, side].flatMap((right) => [0, side].map((down) => ({ x: x + right, y: y + down })));
    const isInside = (point: Point): boolean =>
      region === undefined || isCentredIn(region, { ...point, width: 0, height: 0 }, this);
    return [centre, ...corners].some(isInside) ? centre : undefined;
  }
}

/** How far a mean moves on after a time. @param constantMs in which it moves by 63 % */
function adaptation(passedMs: number, constantMs: number): number {
  return 1 - Math.exp(-passedMs / constantMs);
}
