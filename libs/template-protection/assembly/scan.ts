// Estimates of the cosines of many coded templates with one probe.
//
// Four rows lie together, 16 components of each in turn, and are followed by their weights, four float32. A probe is, at
// its address: an int32, 128 times the sum of its codes; twelve bytes of nothing; its codes. Sums may wrap on the way:
// what is left after the offset fits into 32 bits.

import { keep, sixteen, sums } from './coded-products';

const CODES_OF_PROBE: usize = 16;

/**
 * estimate = weight(row) · codes(row) · codes(probe)
 *
 * What exceeds `bar` is written to `found`: the number of the row, int32, and its estimate, float32.
 *
 * @param rows `groups` of four, @param stride bytes of a row, a multiple of 16
 * @returns how many were found
 */
export function scan(rows: usize, groups: i32, stride: usize, probe: usize, bar: f32, found: usize): i32 {
  const start = found;
  const offset = i32x4.splat(load<i32>(probe));
  for (let group = 0; group < groups; group++) {
    const weights = rows + 4 * stride;
    const dots = i32x4.sub(products(rows, weights, probe + CODES_OF_PROBE), offset);
    const estimates = f32x4.mul(f32x4.convert_i32x4_s(dots), v128.load(weights));
    found = keep(estimates, bar, group << 2, found);
    rows = weights + 16;
  }
  return <i32>((found - start) >> 3);
}

function products(rows: usize, end: usize, codes: usize): v128 {
  const low = i16x8.splat(0xff);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (; rows < end; rows += 64) {
    const even = v128.load(codes);
    const odd = v128.load(codes, 16);
    a = i32x4.add(a, sixteen(v128.load(rows), low, even, odd));
    b = i32x4.add(b, sixteen(v128.load(rows, 16), low, even, odd));
    c = i32x4.add(c, sixteen(v128.load(rows, 32), low, even, odd));
    d = i32x4.add(d, sixteen(v128.load(rows, 48), low, even, odd));
    codes += 32;
  }
  return sums(a, b, c, d);
}
