// The product of a matrix and a vector.

/**
 * float32 throughout. Four rows at a time, since sums that do not wait for one another take half the time of one.
 *
 * @param matrix row-major, @param rows a multiple of 4, @param columns a multiple of 4
 */
export function multiply(matrix: usize, rows: i32, columns: i32, vector: usize, product: usize): void {
  const line = (<usize>columns) << 2;
  for (let row = 0; row < rows; row += 4) {
    let first = f32x4.splat(0);
    let second = f32x4.splat(0);
    let third = f32x4.splat(0);
    let fourth = f32x4.splat(0);
    const end = matrix + line;
    for (let component = vector; matrix < end; matrix += 16) {
      const components = v128.load(component);
      first = f32x4.add(first, f32x4.mul(v128.load(matrix), components));
      second = f32x4.add(second, f32x4.mul(v128.load(matrix + line), components));
      third = f32x4.add(third, f32x4.mul(v128.load(matrix + 2 * line), components));
      fourth = f32x4.add(fourth, f32x4.mul(v128.load(matrix + 3 * line), components));
      component += 16;
    }
    v128.store(
      product,
      f32x4.add(sumsOfTwo(first, second, third, fourth), otherSumsOfTwo(first, second, third, fourth)),
    );
    matrix += 3 * line;
    product += 16;
  }
}

/** Of each row's four partial sums the first two, added. */
function sumsOfTwo(first: v128, second: v128, third: v128, fourth: v128): v128 {
  const upper = v128.shuffle<f32>(first, second, 0, 4, 1, 5);
  const lower = v128.shuffle<f32>(third, fourth, 0, 4, 1, 5);
  return f32x4.add(v128.shuffle<f32>(upper, lower, 0, 1, 4, 5), v128.shuffle<f32>(upper, lower, 2, 3, 6, 7));
}

/** The other two. */
function otherSumsOfTwo(first: v128, second: v128, third: v128, fourth: v128): v128 {
  const upper = v128.shuffle<f32>(first, second, 2, 6, 3, 7);
  const lower = v128.shuffle<f32>(third, fourth, 2, 6, 3, 7);
  return f32x4.add(v128.shuffle<f32>(upper, lower, 0, 1, 4, 5), v128.shuffle<f32>(upper, lower, 2, 3, 6, 7));
}
