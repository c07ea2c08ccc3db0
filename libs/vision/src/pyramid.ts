import type { Affine } from './affine.js';
import type { Frame } from './frame.js';
import type { Kernels } from './kernels.js';

/** What may lie behind the last row of a level when eight bytes or four pixels are moved at once. */
const SLACK_BYTES = 64;

/** A frame, or what is left of it when it is halved once or more, in the kernels' memory. */
interface Level {
  readonly start: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A frame and its halves. A half has ⌈side / 2⌉ pixels a side, each the mean of two by two of the level before,
 * rounded to bytes; it is made when it is first needed.
 */
export class Pyramid {
  readonly #kernels: Kernels;
  readonly #levels: Level[] = [];
  #made = 1;

  /** Copies a frame to the beginning of the kernels' memory, and keeps room for its halves. */
  constructor(kernels: Kernels, frame: Frame) {
    this.#kernels = kernels;
    kernels.release();
    let { width, height } = frame;
    do {
      this.#levels.push({ start: kernels.allocate((height + 1) * width * 3 + SLACK_BYTES), width, height });
      width = Math.ceil(width / 2);
      height = Math.ceil(height / 2);
    } while (Math.min(width, height) > 1);
    new Uint8Array(kernels.memory, this.#level(0).start, frame.data.length).set(frame.data);
  }

  /**
   * The smallest level that has at least half a pixel for each of an output's pixels in both directions: a map that
   * shrinks both by the same factor needs a single bilinear sample there.
   *
   * @param toFrame from pixels of the output to pixels of the frame
   * @returns the level, and the map into it
   */
  levelFor(toFrame: Affine): { readonly level: Level; readonly toLevel: Affine } {
    const step = Math.min(Math.hypot(toFrame.a, toFrame.d), Math.hypot(toFrame.b, toFrame.e));
    let depth = 0;
    let toLevel = toFrame;
    while (depth + 1 < this.#levels.length && step > 2 ** (depth + 1) + 1e-9) {
      depth += 1;
      toLevel = halved(toLevel);
    }
    return { level: this.#level(depth), toLevel };
  }

  #level(depth: number): Level {
    const level = this.#levels[depth];
    if (level === undefined) throw new Error(`the pyramid has no level ${depth}`);
    if (depth >= this.#made) {
      const { start, width, height } = this.#level(depth - 1);
      this.#kernels.run.halve(start, width, height, level.start);
      this.#made = depth + 1;
    }
    return level;
  }
}

/** Into half the frame: the centre of its pixel (x, y) lies at (2x + ½, 2y + ½) of the frame. */
function halved({ a, b, c, d, e, f }: Affine): Affine {
  return { a: a / 2, b: b / 2, c: c / 2 - 0.25, d: d / 2, e: e / 2, f: f / 2 - 0.25 };
}
