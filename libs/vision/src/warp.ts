import type { Affine } from './affine.js';
import type { Frame } from './frame.js';

/** Beyond this many samples along each side of an output pixel, more of them change nothing that is seen. */
const MAXIMUM_TAPS = 16;

/**
 * Resamples a frame: output pixel (x, y) takes its colour from where `toFrame` maps it. Bilinear; outside
 * the frame its nearest edge pixel goes on. Where the map shrinks the picture by more than two, each output
 * pixel averages several samples spread over its area, so that nothing aliases.
 *
 * @returns `width × height × 3` bytes, RGB interleaved
 */
export function warp(frame: Frame, toFrame: Affine, width: number, height: number): Uint8Array {
  const output = new Uint8Array(width * height * 3);
  const taps = tapsOf(toFrame);
  if (taps === 1) warpOnce(frame, toFrame, width, height, output);
  else warpAveraged(frame, toFrame, width, height, taps, output);
  return output;
}

/** A bilinear sample covers two pixels of the frame, so an output pixel over `s` of them needs ⌈s / 2⌉. */
function tapsOf({ a, b, d, e }: Affine): number {
  const step = Math.max(Math.hypot(a, d), Math.hypot(b, e));
  return Math.min(MAXIMUM_TAPS, Math.max(1, Math.ceil(step / 2 - 1e-9)));
}

function warpOnce(frame: Frame, map: Affine, width: number, height: number, output: Uint8Array): void {
  const { data, width: frameWidth, height: frameHeight } = frame;
  const lastX = frameWidth - 1;
  const lastY = frameHeight - 1;
  let at = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = clamp(map.a * column + map.b * row + map.c, lastX);
      const y = clamp(map.d * column + map.e * row + map.f, lastY);
      const left = Math.floor(x);
      const top = Math.floor(y);
      const right = x - left;
      const bottom = y - top;
      const upper = (top * frameWidth + left) * 3;
      const across = left < lastX ? 3 : 0;
      const lower = top < lastY ? upper + frameWidth * 3 : upper;
      for (let channel = 0; channel < 3; channel++) {
        const above = byte(data, upper + channel);
        const below = byte(data, lower + channel);
        const upperRow = above + (byte(data, upper + across + channel) - above) * right;
        const lowerRow = below + (byte(data, lower + across + channel) - below) * right;
        output[at++] = upperRow + (lowerRow - upperRow) * bottom + 0.5;
      }
    }
  }
}

function warpAveraged(
  frame: Frame,
  map: Affine,
  width: number,
  height: number,
  taps: number,
  output: Uint8Array,
): void {
  const { data, width: frameWidth, height: frameHeight } = frame;
  const lastX = frameWidth - 1;
  const lastY = frameHeight - 1;
  const weight = 1 / (taps * taps);
  const offsets = Array.from({ length: taps }, (_, tap) => (tap + 0.5) / taps - 0.5);
  let at = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (const down of offsets) {
        for (const aside of offsets) {
          const x = clamp(map.a * (column + aside) + map.b * (row + down) + map.c, lastX);
          const y = clamp(map.d * (column + aside) + map.e * (row + down) + map.f, lastY);
          const left = Math.floor(x);
          const top = Math.floor(y);
          const right = x - left;
          const bottom = y - top;
          const upper = (top * frameWidth + left) * 3;
          const across = left < lastX ? 3 : 0;
          const lower = top < lastY ? upper + frameWidth * 3 : upper;
          const w00 = (1 - right) * (1 - bottom);
          const w10 = right * (1 - bottom);
          const w01 = (1 - right) * bottom;
          const w11 = right * bottom;
          red += mix(data, upper, lower, across, w00, w10, w01, w11);
          green += mix(data, upper + 1, lower + 1, across, w00, w10, w01, w11);
          blue += mix(data, upper + 2, lower + 2, across, w00, w10, w01, w11);
        }
      }
      output[at++] = red * weight + 0.5;
      output[at++] = green * weight + 0.5;
      output[at++] = blue * weight + 0.5;
    }
  }
}

function mix(
  data: Uint8Array,
  upper: number,
  lower: number,
  across: number,
  w00: number,
  w10: number,
  w01: number,
  w11: number,
): number {
  return (
    byte(data, upper) * w00 +
    byte(data, upper + across) * w10 +
    byte(data, lower) * w01 +
    byte(data, lower + across) * w11
  );
}

function clamp(value: number, last: number): number {
  return value < 0 ? 0 : value > last ? last : value;
}

/** Indices are clamped before: the fallback is never taken. */
function byte(data: Uint8Array, index: number): number {
  return data[index] ?? 0;
}
