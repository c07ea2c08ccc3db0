/**
 * The lower triangle L with L·Lᵀ = A (Golub & Van Loan, Matrix Computations, algorithm 4.2.1), row-major.
 *
 * @param matrix A, symmetric, `size` × `size`, row-major; its lower triangle alone is read
 * @throws RangeError when A is not positive definite
 */
export function choleskyOf(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      const [one, other] = [row * size, column * size];
      let rest = matrix[one + column] ?? 0;
      for (let k = 0; k < column; k++) rest -= (factor[one + k] ?? 0) * (factor[other + k] ?? 0);
      if (column < row) {
        factor[one + column] = rest / (factor[other + column] ?? 0);
      } else {
        if (!(rest > 0)) throw new RangeError('the matrix is not positive definite');
        factor[one + row] = Math.sqrt(rest);
      }
    }
  }
  return factor;
}

/**
 * Solves A·x = b for many b.
 *
 * @param factor of A, from {@link choleskyOf}
 * @param rows every b, one after the other; each becomes its x
 */
export function solveRows(factor: Float64Array, size: number, rows: Float64Array): void {
  for (let start = 0; start < rows.length; start += size) {
    for (let row = 0; row < size; row++) {
      let rest = rows[start + row] ?? 0;
      for (let k = 0; k < row; k++) rest -= (factor[row * size + k] ?? 0) * (rows[start + k] ?? 0);
      rows[start + row] = rest / (factor[row * size + row] ?? 1);
    }
    for (let row = size - 1; row >= 0; row--) {
      const value = (rows[start + row] ?? 0) / (factor[row * size + row] ?? 1);
      rows[start + row] = value;
      // By columns of Lᵀ, which are rows of L: neighbours in memory.
      for (let k = 0; k < row; k++) rows[start + k] = (rows[start + k] ?? 0) - (factor[row * size + k] ?? 0) * value;
    }
  }
}

/** A⁻¹, symmetric, row-major. */
export function inverseOf(factor: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let index = 0; index < size; index++) inverse[index * size + index] = 1;
  solveRows(factor, size, inverse);
  return inverse;
}
