import { AppError, type KeyId, type SpaceId } from '@sightline/kernel';

import type { Template } from './template.js';

/** Where a template belongs: the two things that must agree before it may be compared. */
export interface TemplateBelonging {
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
}

// Far wider than any codec writes. Beyond it components would leave the range in which float32 is precise.
const smallestScale = 1e-30;
const largestScale = 1e30;

/** The part of a template that holds its components. */
export type CodedVector = Pick<Template, 'codec' | 'scale' | 'dimension' | 'data'>;

/**
 * Refuses a template that no comparison could use. It looks at every component.
 *
 * @param expected.dimension the model space's dimension, where it is known
 * @throws AppError `TEMPLATE.INVALID` (NaN, infinite or zero vector, wrong byte length, scale or quality),
 *   `TEMPLATE.WRONG_DIMENSION`
 */
export function validateTemplate(template: Template, expected: { readonly dimension?: number } = {}): void {
  const { dimension, quality } = template;
  if (expected.dimension !== undefined) assertDimension(dimension, expected.dimension);
  validateCodedVector(template);
  if (!(quality >= 0 && quality <= 1)) throw invalid('The quality lies outside 0 to 1.');
}

/** @throws AppError `TEMPLATE.INVALID` */
export function validateCodedVector({ codec, data, dimension, scale }: CodedVector): void {
  if (!Number.isInteger(dimension) || dimension < 1) throw invalid('The dimension is not a positive whole number.');
  const bytes = codec === 'int8' ? dimension : 2 * dimension;
  if (data.length !== bytes) throw invalid(`The data has ${data.length} bytes instead of ${bytes}.`);
  if (!(scale >= smallestScale && scale <= largestScale)) throw invalid('The scale is not a usable positive number.');
  if (codec === 'float16' && scale !== 1) throw invalid('The scale of the float16 codec is 1.');
  if (codec === 'int8') validateInt8(data);
  else validateFloat16(data);
}

/**
 * Refuses a comparison across model spaces or keys: it would yield a low score that means nothing.
 *
 * @throws AppError `TEMPLATE.FOREIGN_SPACE`, `TEMPLATE.FOREIGN_KEY`
 */
export function assertComparable(template: TemplateBelonging, expected: TemplateBelonging): void {
  if (template.spaceId !== expected.spaceId) {
    throw new AppError('TEMPLATE.FOREIGN_SPACE', 'The template belongs to another model space.', {
      details: { modelSpace: template.spaceId, expected: expected.spaceId },
    });
  }
  if (template.keyId !== expected.keyId) {
    throw new AppError('TEMPLATE.FOREIGN_KEY', 'The template was protected with another key.', {
      details: { keyId: template.keyId, expected: expected.keyId },
    });
  }
}

/** @throws AppError `TEMPLATE.WRONG_DIMENSION` */
export function assertDimension(dimension: number, expected: number): void {
  if (dimension === expected) return;
  throw new AppError('TEMPLATE.WRONG_DIMENSION', `The template has ${dimension} components instead of ${expected}.`, {
    details: { dimension, expected },
  });
}

/** @throws AppError `TEMPLATE.INVALID` for a NaN, infinite, zero or empty vector */
export function validateVector(vector: Float32Array): void {
  let sum = 0;
  for (const component of vector) sum += Math.abs(component);
  if (!Number.isFinite(sum)) throw invalid('A component is not a finite number.');
  if (sum === 0) throw invalid('Every component is zero.');
}

function validateInt8(data: Uint8Array): void {
  if (data.every((byte) => byte === 0)) throw invalid('Every component is zero.');
}

function validateFloat16(data: Uint8Array): void {
  let zero = true;
  for (let high = 1; high < data.length; high += 2) {
    const top = data[high] ?? 0;
    // An exponent of all ones: NaN or infinite (IEEE 754, binary16).
    if ((top & 0x7c) === 0x7c) throw invalid('A component is not a finite number.');
    if ((top & 0x7f) !== 0 || data[high - 1] !== 0) zero = false;
  }
  if (zero) throw invalid('Every component is zero.');
}

function invalid(message: string): AppError {
  return new AppError('TEMPLATE.INVALID', message);
}
