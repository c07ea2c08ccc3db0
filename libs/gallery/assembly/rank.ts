// Upper bounds of the scores of many coded templates with several probes, from products that were computed elsewhere.

/**
 * The bounds of `scan`, for several probes at once. What exceeds its probe's bar is written to `found`: the number of
 * the row and that of the probe, int32, and the bound, float32.
 *
 * @param products int32: that of row 4 · group + lane and a probe is at `products` + lane · `run` + 4 · (group ·
 *   `probes` + probe)
 * @param probes a multiple of 4
 * @param weights float32, by row, and so are @param residuals
 * @param terms four arrays, a value for each probe: 128 times the sum of its codes, int32; its weight, its coded length
 *   and its bar, float32
 * @returns how many were found
 */
export function rank(
  products: usize,
  run: usize,
  groups: i32,
  probes: i32,
  weights: usize,
  residuals: usize,
  terms: usize,
  found: usize,
): i32 {
  const start = found;
  const array = (<usize>probes) << 2;
  for (let group = 0; group < groups; group++) {
    for (let lane = 0; lane < 4; lane++) {
      const weight = f32x4.splat(load<f32>(weights));
      const residual = f32x4.splat(load<f32>(residuals));
      const row = products + <usize>lane * run;
      for (let probe: usize = 0; probe < array; probe += 16) {
        const term = terms + probe;
        const dots = f32x4.convert_i32x4_s(i32x4.sub(v128.load(row + probe), v128.load(term)));
        const scores = f32x4.mul(f32x4.mul(dots, v128.load(term + array)), weight);
        const bounds = f32x4.add(scores, f32x4.mul(v128.load(term + 2 * array), residual));
        const over = f32x4.gt(bounds, v128.load(term + 3 * array));
        if (v128.any_true(over)) {
          found = write(over, bounds, (group << 2) + lane, <i32>(probe >> 2), found);
        }
      }
      weights += 4;
      residuals += 4;
    }
    products += array;
  }
  return <i32>((found - start) / 12);
}

function write(over: v128, bounds: v128, row: i32, probe: i32, found: usize): usize {
  const bits = i32x4.bitmask(over);
  if (bits & 1) found = one(found, row, probe, f32x4.extract_lane(bounds, 0));
  if (bits & 2) found = one(found, row, probe + 1, f32x4.extract_lane(bounds, 1));
  if (bits & 4) found = one(found, row, probe + 2, f32x4.extract_lane(bounds, 2));
  if (bits & 8) found = one(found, row, probe + 3, f32x4.extract_lane(bounds, 3));
  return found;
}

function one(found: usize, row: i32, probe: i32, bound: f32): usize {
  store<i32>(found, row);
  store<i32>(found, probe, 4);
  store<f32>(found, bound, 8);
  return found + 12;
}
