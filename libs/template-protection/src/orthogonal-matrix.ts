import { createCipheriv } from 'node:crypto';

/**
 * A Haar-distributed (uniform over the orthogonal group) matrix drawn from a 32-byte seed.
 *
 * Built up from the last row (Stewart 1980, "The Efficient Generation of Random Orthogonal Matrices"; Mezzadri
 * 2007, math-ph/0609050): if Q is uniform on O(m−1) and u uniform on the unit sphere of m dimensions, then
 * H·diag(1, Q) is uniform on O(m), where H is a Householder reflection, with its sign chosen so that it takes
 * the first unit vector to u. 4/3·n³ operations.
 *
 * @param seed 32 bytes, secret
 * @returns row-major, dimension × dimension
 */
export function randomOrthogonalMatrix(seed: Uint8Array, dimension: number): Float64Array {
  const matrix = new Float64Array(dimension * dimension);
  const normal = gaussianStream(seed, (dimension * (dimension + 1)) / 2);
  matrix[dimension * dimension - 1] = (normal[0] ?? 0) < 0 ? -1 : 1;
  let used = 1;
  for (let size = 2; size <= dimension; size += 1) {
    const direction = normal.subarray(used, used + size);
    used += size;
    matrix[(dimension - size) * (dimension + 1)] = 1;
    reflect(matrix, dimension, direction);
  }
  return matrix;
}

/**
 * Replaces the lower right block B of `direction.length` rows by H·B, where H takes the first unit vector to
 * u = direction / |direction|: H = −s·(I − 2·w·wᵀ/|w|²) with s the sign of u's first component, w = u + s·e₁
 * (this sign avoids cancellation).
 */
function reflect(matrix: Float64Array, dimension: number, direction: Float64Array): void {
  const length = Math.sqrt(sumOfSquares(direction));
  const w = direction.map((component) => component / length);
  const sign = (w[0] ?? 0) < 0 ? -1 : 1;
  w[0] = (w[0] ?? 0) + sign;
  const offset = dimension - w.length;
  const rows = Array.from(w, (_, row) => {
    const start = (offset + row) * dimension + offset;
    return matrix.subarray(start, start + w.length);
  });
  const projected = new Float64Array(w.length);
  rows.forEach((row, index) => addScaled(projected, row, w[index] ?? 0));
  const factor = 2 / sumOfSquares(w);
  rows.forEach((row, index) => {
    addScaled(row, projected, -factor * (w[index] ?? 0));
    if (sign > 0) negate(row);
  });
}

function sumOfSquares(vector: Float64Array): number {
  return vector.reduce((sum, component) => sum + component * component, 0);
}

function addScaled(target: Float64Array, source: Float64Array, factor: number): void {
  for (let index = 0; index < target.length; index += 1) {
    target[index] = (target[index] ?? 0) + factor * (source[index] ?? 0);
  }
}

function negate(vector: Float64Array): void {
  for (let index = 0; index < vector.length; index += 1) vector[index] = -(vector[index] ?? 0);
}

/**
 * Standard normal numbers from a key stream (AES-256 in counter mode), by the Box–Muller transform. It uses a
 * fixed number of bytes for each number, so that a last-digit difference in another machine's `Math.log` stays
 * a last-digit difference; a rejection method could lose step altogether.
 */
function gaussianStream(seed: Uint8Array, count: number): Float64Array {
  const pairs = Math.ceil(count / 2);
  const stream = createCipheriv('aes-256-ctr', seed, new Uint8Array(16)).update(new Uint8Array(8 * pairs));
  const normal = new Float64Array(2 * pairs);
  for (let pair = 0; pair < pairs; pair += 1) {
    // In (0, 1): the half keeps the logarithm finite.
    const radius = Math.sqrt(-2 * Math.log((stream.readUInt32LE(8 * pair) + 0.5) / 2 ** 32));
    const angle = 2 * Math.PI * ((stream.readUInt32LE(8 * pair + 4) + 0.5) / 2 ** 32);
    normal[2 * pair] = radius * Math.cos(angle);
    normal[2 * pair + 1] = radius * Math.sin(angle);
  }
  return normal.subarray(0, count);
}
