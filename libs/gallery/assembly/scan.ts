// Upper bounds of the scores of many coded templates with one probe.
//
// A row is a template's codes. A probe is, at its address: an int32, 128 times the sum of its codes; its weight and its
// coded length, float32; four bytes of nothing; its codes. Sums may wrap on the way: what is left after the offset fits
// into 32 bits.
//
// bound = weight(probe) · weight(row) · codes(probe) · codes(row) + codedLength(probe) · residual(row)
//
// What exceeds `bar` is written to `found`: the number of the row, int32, and its bound, float32.

import { keep, sixteen, sums } from '../../template-protection/assembly/coded-products';

const CODES_OF_PROBE: usize = 16;

/**
 * Rows of a block, which lie in four runs: row 4 · group + lane is at `rows` + lane · `run` + group · `stride`. Four
 * runs, since a processor reads four streams of memory a third faster than one.
 *
 * @param stride bytes of a row, a multiple of 16, @param weights float32, by row, and so are @param residuals
 * @returns how many were found
 */
export function scan(
  rows: usize,
  run: usize,
  groups: i32,
  stride: usize,
  probe: usize,
  weights: usize,
  residuals: usize,
  bar: f32,
  found: usize,
): i32 {
  const start = found;
  for (let group = 0; group < groups; group++) {
    const dots = products(rows, rows + run, rows + 2 * run, rows + 3 * run, stride, probe);
    found = keepBounds(dots, probe, weights, residuals, bar, group << 2, found);
    rows += stride;
    weights += 16;
    residuals += 16;
  }
  return <i32>((found - start) >> 3);
}

/** Rows anywhere. @param addresses of the rows, uint32, four a group; weights and residuals are in their order */
export function scanListed(
  addresses: usize,
  groups: i32,
  stride: usize,
  probe: usize,
  weights: usize,
  residuals: usize,
  bar: f32,
  found: usize,
): i32 {
  const start = found;
  for (let group = 0; group < groups; group++) {
    const dots = products(
      load<u32>(addresses),
      load<u32>(addresses, 4),
      load<u32>(addresses, 8),
      load<u32>(addresses, 12),
      stride,
      probe,
    );
    found = keepBounds(dots, probe, weights, residuals, bar, group << 2, found);
    addresses += 16;
    weights += 16;
    residuals += 16;
  }
  return <i32>((found - start) >> 3);
}

/** The dot products of four rows with the probe, less its offset. */
function products(first: usize, second: usize, third: usize, fourth: usize, stride: usize, probe: usize): v128 {
  const low = i16x8.splat(0xff);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  let codes = probe + CODES_OF_PROBE;
  for (const end = first + stride; first < end; first += 16) {
    const even = v128.load(codes);
    const odd = v128.load(codes, 16);
    a = i32x4.add(a, sixteen(v128.load(first), low, even, odd));
    b = i32x4.add(b, sixteen(v128.load(second), low, even, odd));
    c = i32x4.add(c, sixteen(v128.load(third), low, even, odd));
    d = i32x4.add(d, sixteen(v128.load(fourth), low, even, odd));
    second += 16;
    third += 16;
    fourth += 16;
    codes += 32;
  }
  return i32x4.sub(sums(a, b, c, d), i32x4.splat(load<i32>(probe)));
}

/** @returns where the next one goes */
function keepBounds(
  dots: v128,
  probe: usize,
  weights: usize,
  residuals: usize,
  bar: f32,
  row: i32,
  found: usize,
): usize {
  const scores = f32x4.mul(
    f32x4.mul(f32x4.convert_i32x4_s(dots), f32x4.splat(load<f32>(probe, 4))),
    v128.load(weights),
  );
  const bounds = f32x4.add(scores, f32x4.mul(f32x4.splat(load<f32>(probe, 8)), v128.load(residuals)));
  return keep(bounds, bar, row, found);
}
