// Halves a frame: each pixel is the mean of two by two.

/**
 * Writes ⌈columns / 2⌉ × ⌈rows / 2⌉ RGB pixels, each (sum of four + 2) / 4, rounded down. Where a column or
 * a row has no neighbour left it counts twice. Up to 4 bytes after the
 * result are overwritten, and 4 after the frame are read.
 *
 * @param from RGB bytes, interleaved
 */
export function halve(from: usize, columns: i32, rows: i32, to: usize): void {
  const stride = <usize>columns * 3;
  const halves = (columns + 1) / 2;
  const whole = columns / 2;
  for (let row = 0; row < rows; row += 2) {
    let upper = from + <usize>row * stride;
    let lower = row + 1 < rows ? upper + stride : upper;
    let at = to;
    let column = 0;
    for (; column + 4 <= whole; column += 4) {
      const first = quarter(i16x8.add(pairs(upper), pairs(lower)));
      const last = quarter(i16x8.add(pairs(upper + 12), pairs(lower + 12)));
      const packed = i8x16(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);
      v128.store(at, i8x16.swizzle(i8x16.narrow_i16x8_u(first, last), packed));
      upper += 24;
      lower += 24;
      at += 12;
    }
    for (; column < halves; column++) {
      const next: usize = column < whole ? 3 : 0;
      for (let channel: usize = 0; channel < 3; channel++) {
        const sum =
          <i32>load<u8>(upper + channel) +
          <i32>load<u8>(upper + channel + next) +
          <i32>load<u8>(lower + channel) +
          <i32>load<u8>(lower + channel + next);
        store<u8>(at + channel, (sum + 2) >> 2);
      }
      upper += 6;
      lower += 6;
      at += 3;
    }
    to += <usize>halves * 3;
  }
}

/** Of four pixels the sums of the first two and of the last two, for each channel. */
function pairs(at: usize): v128 {
  const neighbours = i8x16(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1);
  return i16x8.extadd_pairwise_i8x16_u(i8x16.swizzle(v128.load(at), neighbours));
}

function quarter(sums: v128): v128 {
  return i16x8.shr_u(i16x8.add(sums, i16x8.splat(2)), 2);
}
