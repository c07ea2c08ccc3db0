import { AppError } from '@sightline/kernel';

import { decodeTemplate, encodeTemplate } from './codec.js';
import type { Template } from './template.js';
import { assertComparable, assertDimension } from './validate.js';

/**
 * One probe from a sighting's best shots: the quality-weighted mean of their unit vectors.
 *
 * The cosine with it, times the mean's length, is exactly the weighted mean of the shots' scores, for every
 * enrolled template at once. So one search ranks the whole gallery by mean score, where fusing the results of
 * several searches would have to guess the scores of people whom one shot found and another did not.
 *
 * @param shots at least one; a single one is returned as it is. Where no shot has any quality all weigh the same
 * @returns float16; quality and variant of the best shot
 * @throws AppError `TEMPLATE.INVALID` (no shot, a malformed one, or shots that cancel out),
 *   `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.FOREIGN_SPACE`, `TEMPLATE.FOREIGN_KEY` (shots that do not belong together)
 */
export function poolTemplates(shots: readonly Template[]): Template {
  const [first, ...others] = shots;
  if (!first) throw new AppError('TEMPLATE.INVALID', 'There is no template to pool.');
  if (others.length === 0) return first;
  for (const shot of others) {
    assertComparable(shot, first);
    assertDimension(shot.dimension, first.dimension);
  }
  const best = others.reduce((found, shot) => (shot.quality > found.quality ? shot : found), first);
  const sum = new Float64Array(first.dimension);
  let weights = 0;
  for (const shot of shots) {
    const weight = best.quality > 0 ? shot.quality : 1;
    const vector = decodeTemplate(shot);
    const length = lengthOf(vector);
    weights += weight;
    const share = weight / length;
    for (let index = 0; index < sum.length; index += 1) {
      sum[index] = (sum[index] ?? 0) + share * (vector[index] ?? 0);
    }
  }
  // What is left of shots that cancel out is rounding, and its direction means nothing.
  if (lengthOf(sum) < 1e-6 * weights) throw new AppError('TEMPLATE.INVALID', 'The shots cancel out.');
  const { spaceId, keyId, variantDigest, quality } = best;
  return encodeTemplate(Float32Array.from(sum), { spaceId, keyId, variantDigest, quality, codec: 'float16' });
}

function lengthOf(vector: Float32Array | Float64Array): number {
  return Math.sqrt(dot(vector, vector));
}

// By a plain loop: `Math.hypot` of so many arguments takes longer than the rest of the pooling, and so does an iterator.
function dot(one: Float32Array | Float64Array, other: Float32Array | Float64Array): number {
  let sum = 0;
  for (let index = 0; index < one.length; index += 1) sum += (one[index] ?? 0) * (other[index] ?? 0);
  return sum;
}
