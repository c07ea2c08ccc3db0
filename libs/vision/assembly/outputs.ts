// Writes sampled rows as an output wants them.

import { height, pixels, prepare, sampleRow, toWhole, width } from './sampling';

/** ITU-R BT.601 luma. */
const RED_WEIGHT: f32 = 0.299;
const GREEN_WEIGHT: f32 = 0.587;
const BLUE_WEIGHT: f32 = 0.114;

/** Three planes of float32, (value − mean) · factor. */
export function toPlanes(
  red: usize,
  green: usize,
  blue: usize,
  meanRed: f32,
  meanGreen: f32,
  meanBlue: f32,
  factorRed: f32,
  factorGreen: f32,
  factorBlue: f32,
): void {
  prepare();
  for (let row = 0; row < height; row++) {
    sampleRow(row);
    let at = pixels;
    let column = 0;
    for (; column + 4 <= width; column += 4) {
      v128.store(red, normalise(reds(at), meanRed, factorRed));
      v128.store(green, normalise(greens(at), meanGreen, factorGreen));
      v128.store(blue, normalise(blues(at), meanBlue, factorBlue));
      at += 64;
      red += 16;
      green += 16;
      blue += 16;
    }
    for (; column < width; column++) {
      store<f32>(red, (load<f32>(at) - meanRed) * factorRed);
      store<f32>(green, (load<f32>(at, 4) - meanGreen) * factorGreen);
      store<f32>(blue, (load<f32>(at, 8) - meanBlue) * factorBlue);
      at += 16;
      red += 4;
      green += 4;
      blue += 4;
    }
  }
}

/** One plane of float32: (luma − mean) · factor. */
export function toGrey(output: usize, mean: f32, factor: f32): void {
  prepare();
  for (let row = 0; row < height; row++) {
    sampleRow(row);
    output = greyRow(output, mean, factor);
  }
}

/**
 * RGB bytes, interleaved, and the luma of these bytes as one plane of float32. Up to 52 bytes after the picture
 * are overwritten.
 */
export function toPicture(output: usize, luma: usize): void {
  prepare();
  for (let row = 0; row < height; row++) {
    sampleRow(row);
    let at = pixels;
    let bytes = output;
    for (let column = 0; column < width; column += 4) {
      const first = i16x8.narrow_i32x4_s(roundPixel(at), roundPixel(at + 16));
      const second = i16x8.narrow_i32x4_s(roundPixel(at + 32), roundPixel(at + 48));
      const four = i8x16.narrow_i16x8_u(first, second);
      v128.store(bytes, i8x16.swizzle(four, i8x16(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1)));
      at += 64;
      bytes += 12;
    }
    output += <usize>width * 3;
    luma = greyRow(luma, 0, 1);
  }
}

/** Writes the sampled row's luma; returns where the next row begins. */
function greyRow(output: usize, mean: f32, factor: f32): usize {
  let at = pixels;
  let column = 0;
  for (; column + 4 <= width; column += 4) {
    v128.store(output, normalise(lumas(at), mean, factor));
    at += 64;
    output += 16;
  }
  for (; column < width; column++) {
    const luma = load<f32>(at) * RED_WEIGHT + load<f32>(at, 4) * GREEN_WEIGHT + load<f32>(at, 8) * BLUE_WEIGHT;
    store<f32>(output, (luma - mean) * factor);
    at += 16;
    output += 4;
  }
  return output;
}

/** Rounds a sampled pixel in place. */
function roundPixel(at: usize): v128 {
  const whole = toWhole(v128.load(at));
  v128.store(at, f32x4.convert_i32x4_s(whole));
  return whole;
}

function normalise(values: v128, mean: f32, factor: f32): v128 {
  return f32x4.mul(f32x4.sub(values, f32x4.splat(mean)), f32x4.splat(factor));
}

// One channel of four sampled pixels.

function reds(at: usize): v128 {
  const first = v128.shuffle<f32>(v128.load(at), v128.load(at, 16), 0, 4, 1, 5);
  const second = v128.shuffle<f32>(v128.load(at, 32), v128.load(at, 48), 0, 4, 1, 5);
  return v128.shuffle<f32>(first, second, 0, 1, 4, 5);
}

function greens(at: usize): v128 {
  const first = v128.shuffle<f32>(v128.load(at), v128.load(at, 16), 0, 4, 1, 5);
  const second = v128.shuffle<f32>(v128.load(at, 32), v128.load(at, 48), 0, 4, 1, 5);
  return v128.shuffle<f32>(first, second, 2, 3, 6, 7);
}

function blues(at: usize): v128 {
  const first = v128.shuffle<f32>(v128.load(at), v128.load(at, 16), 2, 6, 3, 7);
  const second = v128.shuffle<f32>(v128.load(at, 32), v128.load(at, 48), 2, 6, 3, 7);
  return v128.shuffle<f32>(first, second, 0, 1, 4, 5);
}

function lumas(at: usize): v128 {
  const red = f32x4.mul(reds(at), f32x4.splat(RED_WEIGHT));
  const green = f32x4.mul(greens(at), f32x4.splat(GREEN_WEIGHT));
  const blue = f32x4.mul(blues(at), f32x4.splat(BLUE_WEIGHT));
  return f32x4.add(f32x4.add(red, green), blue);
}
