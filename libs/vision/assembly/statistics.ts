// What the quality of a picture is judged by.

/**
 * Of a plane of float32: its sum and sum of squares, and those of its Laplacian (the four neighbours less four
 * times the pixel) over the pixels that have four neighbours. Writes four float64.
 */
export function statistics(plane: usize, columns: i32, rows: i32, result: usize): void {
  const line = <usize>columns * 4;
  let sum: f64 = 0;
  let squares: f64 = 0;
  let laplacianSum: f64 = 0;
  let laplacianSquares: f64 = 0;
  for (let row = 0; row < rows; row++) {
    const start = plane + <usize>row * line;
    sumRow(start, columns, false, line);
    sum += rowSum;
    squares += rowSquares;
    if (row == 0 || row == rows - 1) continue;
    sumRow(start + 4, columns - 2, true, line);
    laplacianSum += rowSum;
    laplacianSquares += rowSquares;
  }
  store<f64>(result, sum);
  store<f64>(result, squares, 8);
  store<f64>(result, laplacianSum, 16);
  store<f64>(result, laplacianSquares, 24);
}

let rowSum: f64 = 0;
let rowSquares: f64 = 0;

/** Sums a row in single precision, so that only a row's rounding adds up. */
function sumRow(at: usize, count: i32, laplacian: bool, line: usize): void {
  let sums = f32x4.splat(0);
  let squares = f32x4.splat(0);
  let column = 0;
  for (; column + 4 <= count; column += 4) {
    const values = laplacian ? laplacians(at, line) : v128.load(at);
    sums = f32x4.add(sums, values);
    squares = f32x4.add(squares, f32x4.mul(values, values));
    at += 16;
  }
  rowSum = laneSum(sums);
  rowSquares = laneSum(squares);
  for (; column < count; column++) {
    const value = <f64>f32x4.extract_lane(laplacian ? laplacians(at, line) : v128.load(at), 0);
    rowSum += value;
    rowSquares += value * value;
    at += 4;
  }
}

function laplacians(at: usize, line: usize): v128 {
  const beside = f32x4.add(v128.load(at - 4), v128.load(at + 4));
  const aboveAndBelow = f32x4.add(v128.load(at - line), v128.load(at + line));
  return f32x4.sub(f32x4.add(beside, aboveAndBelow), f32x4.mul(v128.load(at), f32x4.splat(4)));
}

function laneSum(values: v128): f64 {
  return (
    <f64>f32x4.extract_lane(values, 0) +
    <f64>f32x4.extract_lane(values, 1) +
    <f64>f32x4.extract_lane(values, 2) +
    <f64>f32x4.extract_lane(values, 3)
  );
}
