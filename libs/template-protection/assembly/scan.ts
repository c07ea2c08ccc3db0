// Products of one probe with many coded templates.

/**
 * products[r] = the sum over c of rows[r][c] · probe[c], in whole numbers. Four rows lie together, in pieces of 16
 * components of each in turn: so the memory is read from one end to the other, and the four share a load of the probe.
 *
 * @param rows int8, `count` of `stride` bytes each, @param count a multiple of 4, @param stride a multiple of 16
 * @param probe int16, `stride` of them: so small that no sum leaves 32 bits
 */
export function scan(rows: usize, count: i32, stride: i32, probe: usize, products: usize): void {
  const group = <usize>stride * 4;
  for (let row = 0; row < count; row += 4) {
    let first = i32x4.splat(0);
    let second = i32x4.splat(0);
    let third = i32x4.splat(0);
    let fourth = i32x4.splat(0);
    const end = rows + group;
    for (let at = probe; rows < end; rows += 64) {
      const low = v128.load(at);
      const high = v128.load(at, 16);
      first = i32x4.add(first, sixteen(v128.load(rows), low, high));
      second = i32x4.add(second, sixteen(v128.load(rows, 16), low, high));
      third = i32x4.add(third, sixteen(v128.load(rows, 32), low, high));
      fourth = i32x4.add(fourth, sixteen(v128.load(rows, 48), low, high));
      at += 32;
    }
    store<i32>(products, sumOf(first));
    store<i32>(products, sumOf(second), 4);
    store<i32>(products, sumOf(third), 8);
    store<i32>(products, sumOf(fourth), 12);
    products += 16;
  }
}

function sixteen(codes: v128, low: v128, high: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(codes), low),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(codes), high),
  );
}

function sumOf(sums: v128): i32 {
  return (
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  );
}
