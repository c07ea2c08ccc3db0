import { AppError } from '@sightline/kernel';

/**
 * Cosine similarity, accumulated in float64.
 *
 * @returns -1 to 1; a vector with itself gives 1 but for the last digit
 * @throws AppError `TEMPLATE.WRONG_DIMENSION` for two lengths, `TEMPLATE.INVALID` for a NaN, infinite or zero vector
 */
export function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    throw new AppError('TEMPLATE.WRONG_DIMENSION', `Vectors of ${a.length} and ${b.length} components do not compare.`);
  }
  let product = 0;
  let squareA = 0;
  let squareB = 0;
  for (let index = 0; index < a.length; index += 1) {
    const x = a[index] ?? 0;
    const y = b[index] ?? 0;
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  const similarity = product / Math.sqrt(squareA * squareB);
  if (Number.isNaN(similarity)) throw new AppError('TEMPLATE.INVALID', 'A vector is zero or not finite.');
  return Math.max(-1, Math.min(1, similarity));
}
