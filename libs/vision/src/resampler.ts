import { AppError } from '@sightline/kernel';

import type { Affine } from './affine.js';
import type { Frame } from './frame.js';
import { Kernels } from './kernels.js';
import { Pyramid } from './pyramid.js';
import { channelCount, normalisation, type InputFormat } from './tensor-input.js';

/** Beyond this many samples along each side of an output pixel, more of them change nothing that is seen. */
const MAXIMUM_TAPS = 16;
/** What may lie behind the last row of a picture when eight bytes or four pixels are moved at once. */
const SLACK_BYTES = 64;
/** Kernels that hold more are replaced after use: a memory never shrinks. A 4K frame with its halves and outputs has 36 MB. */
const KEPT_BYTES = 64 * 2 ** 20;
/** The kernels keep coordinates in single precision. */
const MAXIMUM_SIDE = 2 ** 22;
/** Addresses are 32-bit numbers with a sign, and the outputs need room too. */
const MAXIMUM_FRAME_BYTES = 2 ** 30;

/** Luma (ITU-R BT.601, 0 to 255) of a picture. */
export interface LumaStatistics {
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
  /** Variance of the Laplacian (four neighbours less four times the pixel): how sharp the picture is. */
  readonly laplacianVariance: number;
}

/** A resampled picture: `width × height × 3` bytes, RGB interleaved. */
export interface Picture extends Frame {
  readonly luma: LumaStatistics;
}

/** The map of a picture that is left at its size. */
export const identity: Affine = { a: 1, b: 0, c: 0, d: 0, e: 1, f: 0 };

/**
 * Resamples frames with WebAssembly kernels, one frame at a time. An output pixel (x, y) takes its colour from
 * where a map puts it in the frame: bilinear; outside the frame its nearest edge pixel goes on. Nothing aliases:
 * where the map shrinks the picture by more than two, the frame is halved first, as often as that takes, each time
 * to means of two by two, in bytes; where it shrinks one direction more, each output pixel averages several
 * samples spread over its area. Colours are within 1/10 of a level of exact arithmetic, of 256. A map that is not finite
 * yields some picture, and numbers that may not be finite.
 */
export class Resampler {
  #kernels = new Kernels();
  #loaded: LoadedFrame | undefined;

  /**
   * Copies a frame into the kernels' memory; the one before it can be read no more.
   *
   * @throws AppError `FRAME.INVALID` when it has no pixels, more or fewer than its size says, over a
   *   gigabyte, or a side above 2²²
   */
  load(frame: Frame): LoadedFrame {
    assertFrame(frame);
    this.unload();
    this.#loaded = new LoadedFrame(this.#kernels, frame);
    return this.#loaded;
  }

  /** Forgets the frame, and gives back the memory of an enormous one. */
  unload(): void {
    this.#loaded?.close();
    this.#loaded = undefined;
    if (this.#kernels.memory.byteLength > KEPT_BYTES) this.#kernels = new Kernels();
  }
}

/** A frame that is ready to be resampled, until its {@link Resampler} loads another. */
export class LoadedFrame {
  readonly width: number;
  readonly height: number;
  readonly #kernels: Kernels;
  readonly #pyramid: Pyramid;
  readonly #end: number;
  #open = true;

  constructor(kernels: Kernels, frame: Frame) {
    this.width = frame.width;
    this.height = frame.height;
    this.#kernels = kernels;
    this.#pyramid = new Pyramid(kernels, frame);
    this.#end = kernels.allocate(0);
  }

  /**
   * A model's input: resampled, put in the order of its channels and normalised in one pass.
   *
   * @param toFrame from pixels of the input to pixels of the frame
   * @returns [1, channels, height, width] float32 values in the kernels' memory: they hold until the next call
   *   of this frame or of its resampler
   */
  tensor(toFrame: Affine, format: InputFormat): Float32Array {
    return this.tensors([toFrame], format);
  }

  /** As {@link tensor}, of several inputs: [inputs, channels, height, width]. */
  tensors(toFrame: readonly Affine[], format: InputFormat): Float32Array {
    const { width, height } = format;
    const values = width * height * channelCount(format);
    this.#begin();
    const start = this.#kernels.allocate(toFrame.length * values * 4);
    const end = this.#kernels.allocate(0);
    for (const [index, map] of toFrame.entries()) {
      this.#kernels.release(end);
      this.#prepare(map, width, height);
      this.#writeTensor(start + index * values * 4, format);
    }
    return new Float32Array(this.#kernels.memory, start, toFrame.length * values);
  }

  /**
   * A picture of its own, and what its quality is judged by.
   *
   * @param toFrame from pixels of the picture to pixels of the frame
   */
  picture(toFrame: Affine, width: number, height: number): Picture {
    const { run } = this.#begin();
    const bytes = width * height * 3;
    const start = this.#kernels.allocate(bytes + SLACK_BYTES);
    const luma = this.#kernels.allocate(width * height * 4 + SLACK_BYTES);
    const result = this.#kernels.allocate(4 * 8);
    this.#prepare(toFrame, width, height);
    run.toPicture(start, luma);
    run.statistics(luma, width, height, result);
    const [sum = 0, squares = 0, laplacianSum = 0, laplacianSquares = 0] = new Float64Array(
      this.#kernels.memory,
      result,
      4,
    );
    const pixels = width * height;
    const inner = Math.max(1, (width - 2) * (height - 2));
    return {
      width,
      height,
      data: new Uint8Array(this.#kernels.memory, start, bytes).slice(),
      luma: {
        mean: sum / pixels,
        deviation: Math.sqrt(variance(sum, squares, pixels)),
        laplacianVariance: variance(laplacianSum, laplacianSquares, inner),
      },
    };
  }

  /** Called by the resampler. */
  close(): void {
    this.#open = false;
  }

  #begin(): Kernels {
    if (!this.#open) throw new Error('another frame was loaded');
    this.#kernels.release(this.#end);
    return this.#kernels;
  }

  #writeTensor(start: number, format: InputFormat): void {
    const { width, height, channels } = format;
    const { run } = this.#kernels;
    const first = normalisation(format, 0);
    if (channels === 'grey') {
      run.toGrey(start, first.mean, first.factor);
      return;
    }
    const plane = width * height * 4;
    const second = normalisation(format, 1);
    const third = normalisation(format, 2);
    const ends = [
      { at: start, ...first },
      { at: start + 2 * plane, ...third },
    ] as const;
    const [red, blue] = channels === 'rgb' ? ends : [ends[1], ends[0]];
    const means = [red.mean, second.mean, blue.mean] as const;
    run.toPlanes(red.at, start + plane, blue.at, ...means, red.factor, second.factor, blue.factor);
  }

  #prepare(toFrame: Affine, width: number, height: number): void {
    const { run } = this.#kernels;
    const { level, toLevel } = this.#pyramid.levelFor(toFrame);
    const { a, b, c, d, e, f } = toLevel;
    const taps = tapsOf(toLevel);
    const work = this.#kernels.allocate(run.workBytes(width, taps));
    run.setFrame(level.start, level.width, level.height);
    run.setMap(a, b, c, d, e, f);
    run.setOutput(width, height, taps, work);
  }
}

function assertFrame({ width, height, data }: Frame): void {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width >= 1 && height >= 1;
  const possible = Math.max(width, height) <= MAXIMUM_SIDE && data.length <= MAXIMUM_FRAME_BYTES;
  if (whole && possible && data.length === width * height * 3) return;
  throw new AppError('FRAME.INVALID', 'A frame has width × height pixels of three bytes, at most a gigabyte.', {
    details: { width, height, bytes: data.length },
  });
}

/** A bilinear sample covers two pixels of the frame, so an output pixel over `s` of them needs ⌈s / 2⌉. */
function tapsOf({ a, b, d, e }: Pick<Affine, 'a' | 'b' | 'd' | 'e'>): number {
  const step = Math.max(Math.hypot(a, d), Math.hypot(b, e));
  const taps = Math.ceil(step / 2 - 1e-9);
  return taps >= 1 ? Math.min(MAXIMUM_TAPS, taps) : 1; // also of a map that is not finite
}

function variance(sum: number, squares: number, count: number): number {
  return Math.max(0, squares / count - (sum / count) ** 2);
}
