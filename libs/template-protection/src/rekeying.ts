import { decodeTemplate, encodeTemplate } from './codec.js';
import { Matrix } from './matrix.js';
import { matrixOf, templateKeyId, type TemplateKey } from './protector.js';
import type { Template } from './template.js';
import { assertComparable, assertDimension } from './validate.js';

/** Takes templates from one template key to another. */
export interface TemplateRekeyer {
  /**
   * @returns the template under the other key, as float16: its cosine with any other that was taken along lies within
   *   1e-3 of what it was, 1e-5 for typical ones
   * @throws AppError `TEMPLATE.FOREIGN_KEY` for a template of another key than the first, `TEMPLATE.WRONG_DIMENSION`,
   *   `TEMPLATE.INVALID`
   */
  rekey(template: Template): Template;
}

/**
 * What a rotation of keys does to templates, without the photos that they were made from: v is under the first key K₁·e,
 * and K₂·K₁ᵀ·v = K₂·e, since K₁ is orthogonal. Who has both keys alone can do it.
 *
 * Building one costs dimension³ multiplications beside those of two protectors: keep it.
 *
 * @throws AppError `TEMPLATE.INVALID_KEY` (secret not 32 bytes, epoch or dimension out of range)
 */
export function createTemplateRekeyer(from: TemplateKey, to: TemplateKey, dimension: number): TemplateRekeyer {
  const matrix = new Matrix(timesTransposed(matrixOf(to, dimension), matrixOf(from, dimension), dimension), dimension);
  const [fromKeyId, keyId] = [templateKeyId(from), templateKeyId(to)];
  return {
    rekey: (template) => {
      const { spaceId, variantDigest, quality } = template;
      assertComparable(template, { spaceId, keyId: fromKeyId });
      assertDimension(template.dimension, dimension);
      const vector = matrix.times(decodeTemplate(template));
      return encodeTemplate(vector, { spaceId, keyId, variantDigest, quality, codec: 'float16' });
    },
  };
}

/** a·bᵀ of square matrices, row-major. */
function timesTransposed(a: Float64Array, b: Float64Array, dimension: number): Float64Array {
  const product = new Float64Array(dimension * dimension);
  for (let row = 0; row < dimension; row += 1) {
    for (let column = 0; column < dimension; column += 1) {
      let sum = 0;
      for (let index = 0; index < dimension; index += 1) {
        sum += (a[row * dimension + index] ?? 0) * (b[column * dimension + index] ?? 0);
      }
      product[row * dimension + column] = sum;
    }
  }
  return product;
}
