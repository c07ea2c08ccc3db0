// What all scans of codes share. A template's codes are stored as code + 128 in a byte; a probe's, for every 16
// components, as eight int16 of the even ones and eight of the odd ones.

/** Products of 16 components, in four sums: a word of 16 bits holds an even component below and an odd one above. */
export function sixteen(words: v128, low: v128, even: v128, odd: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(v128.and(words, low), even), i32x4.dot_i16x8_s(i16x8.shr_u(words, 8), odd));
}

/** The sum of each of four vectors of int32. */
export function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ofTwo = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const ofOthers = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ofTwo, ofOthers, 0, 2), v128.shuffle<i64>(ofTwo, ofOthers, 1, 3));
}

/**
 * Writes the rows of a group of four whose value exceeds a bar to `found`: the number of the row, int32, and its value,
 * float32.
 *
 * @param row of the first one @returns where the next one goes
 */
export function keep(values: v128, bar: f32, row: i32, found: usize): usize {
  const over = f32x4.gt(values, f32x4.splat(bar));
  if (!v128.any_true(over)) return found;
  const bits = i32x4.bitmask(over);
  if (bits & 1) found = write(found, row, f32x4.extract_lane(values, 0));
  if (bits & 2) found = write(found, row + 1, f32x4.extract_lane(values, 1));
  if (bits & 4) found = write(found, row + 2, f32x4.extract_lane(values, 2));
  if (bits & 8) found = write(found, row + 3, f32x4.extract_lane(values, 3));
  return found;
}

function write(found: usize, row: i32, value: f32): usize {
  store<i32>(found, row);
  store<f32>(found, value, 4);
  return found + 8;
}
