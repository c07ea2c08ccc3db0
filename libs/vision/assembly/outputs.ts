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
      const first = v128.load(at);
      const second = v128.load(at, 16);
      const third = v128.load(at, 32);
      const fourth = v128.load(at, 48);
      const upper = firstTwo(first, second);
      const lower = firstTwo(third, fourth);
      const blues = leftHalves(lastTwo(first, second), lastTwo(third, fourth));
      v128.store(red, normalise(leftHalves(upper, lower), meanRed, factorRed));
      v128.store(green, normalise(rightHalves(upper, lower), meanGreen, factorGreen));
      v128.store(blue, normalise(blues, meanBlue, factorBlue));
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
 * and 12 after the luma are overwritten.
 */
export function toPicture(output: usize, luma: usize): void {
  prepare();
  for (let row = 0; row < height; row++) {
    sampleRow(row);
    let at = pixels;
    let bytes = output;
    let grey = luma;
    for (let column = 0; column < width; column += 4) {
      const first = i16x8.narrow_i32x4_s(toWhole(v128.load(at)), toWhole(v128.load(at, 16)));
      const second = i16x8.narrow_i32x4_s(toWhole(v128.load(at, 32)), toWhole(v128.load(at, 48)));
      const four = i8x16.narrow_i16x8_u(first, second);
      v128.store(bytes, i8x16.swizzle(four, i8x16(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1)));
      v128.store(grey, lumasOfBytes(first, second));
      at += 64;
      bytes += 12;
      grey += 16;
    }
    output += <usize>width * 3;
    luma += <usize>width * 4;
  }
}

/** Of twice two pixels of red, green, blue, 0: whole weights of 1/32768. */
function lumasOfBytes(first: v128, second: v128): v128 {
  const weights = i16x8(9798, 19235, 3735, 0, 9798, 19235, 3735, 0);
  const upper = i32x4.dot_i16x8_s(first, weights);
  const lower = i32x4.dot_i16x8_s(second, weights);
  const sums = i32x4.add(
    v128.shuffle<i32>(upper, lower, 0, 2, 4, 6), // red and green
    v128.shuffle<i32>(upper, lower, 1, 3, 5, 7),
  );
  return f32x4.mul(f32x4.convert_i32x4_s(sums), f32x4.splat(1 / 32768));
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

function normalise(values: v128, mean: f32, factor: f32): v128 {
  return f32x4.mul(f32x4.sub(values, f32x4.splat(mean)), f32x4.splat(factor));
}

/** Of four sampled pixels. */
function lumas(at: usize): v128 {
  const weights = f32x4(RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT, 0);
  const first = f32x4.mul(v128.load(at), weights);
  const second = f32x4.mul(v128.load(at, 16), weights);
  const third = f32x4.mul(v128.load(at, 32), weights);
  const fourth = f32x4.mul(v128.load(at, 48), weights);
  const upper = firstTwo(first, second);
  const lower = firstTwo(third, fourth);
  const blues = leftHalves(lastTwo(first, second), lastTwo(third, fourth));
  return f32x4.add(f32x4.add(leftHalves(upper, lower), rightHalves(upper, lower)), blues);
}

// Steps of turning four pixels of red, green, blue, 0 into four reds, four greens and four blues.

/** r r g g */
function firstTwo(one: v128, other: v128): v128 {
  return v128.shuffle<f32>(one, other, 0, 4, 1, 5);
}

/** b b 0 0 */
function lastTwo(one: v128, other: v128): v128 {
  return v128.shuffle<f32>(one, other, 2, 6, 3, 7);
}

function leftHalves(one: v128, other: v128): v128 {
  return v128.shuffle<f32>(one, other, 0, 1, 4, 5);
}

function rightHalves(one: v128, other: v128): v128 {
  return v128.shuffle<f32>(one, other, 2, 3, 6, 7);
}
