import { AppError, type KeyId, type Sha256, type SpaceId } from '@sightline/kernel';

import { halfToNumber, numberToHalf, roundToEven } from './float16.js';
import type { Template, TemplateCodec } from './template.js';
import { validateTemplate, validateVector } from './validate.js';

/** Largest code of the int8 codec. -128 is never written, so that the range is symmetric. */
const largestCode = 127;

export interface TemplateOrigin {
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
  readonly variantDigest: Sha256;
  readonly codec: TemplateCodec;
  /** Quality of the shot, 0 to 1. */
  readonly quality: number;
}

/**
 * Codes a protected embedding. It is brought to unit length first, so that the codecs' ranges always suffice.
 *
 * int8: code = round(component / scale), scale = the largest magnitude / 127, itself rounded to float32, since
 * that is how it travels. For dense unit vectors (a protected template is one) of 512 components the cosine of
 * two coded templates lies within 2e-3 of the original; float16 within 1e-3 of any, for typical ones 1e-5.
 *
 * @param vector protected, of any non-zero length; its components decide the template's dimension
 * @throws AppError `TEMPLATE.INVALID` for a NaN, infinite or zero vector, or a quality outside 0 to 1
 */
export function encodeTemplate(vector: Float32Array, origin: TemplateOrigin): Template {
  validateVector(vector);
  const unit = toUnitLength(vector);
  const coded = origin.codec === 'int8' ? toInt8(unit) : toFloat16(unit);
  const template = { ...origin, ...coded, dimension: vector.length };
  validateTemplate(template);
  return template;
}

/**
 * The stored form of a template: what every comparison uses.
 *
 * @returns `dimension` components, exact in float32
 * @throws AppError `TEMPLATE.INVALID`
 */
export function decodeTemplate(template: Template): Float32Array {
  validateTemplate(template);
  const { codec, data, dimension, scale } = template;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return codec === 'int8'
    ? Float32Array.from({ length: dimension }, (_, index) => scale * view.getInt8(index))
    : Float32Array.from({ length: dimension }, (_, index) => halfToNumber(view.getUint16(2 * index, true)));
}

interface Coded {
  readonly scale: number;
  readonly data: Uint8Array;
}

function toUnitLength(vector: Float32Array): Float64Array {
  // Scaled by the largest component first: squares of tiny components would vanish.
  const largest = vector.reduce((most, component) => Math.max(most, Math.abs(component)), 0);
  const scaled = Float64Array.from(vector, (component) => component / largest);
  const length = Math.sqrt(scaled.reduce((sum, component) => sum + component * component, 0));
  return scaled.map((component) => component / length);
}

function toInt8(unit: Float64Array): Coded {
  const largest = unit.reduce((most, component) => Math.max(most, Math.abs(component)), 0);
  const scale = Math.fround(largest / largestCode);
  const codes = Int8Array.from(unit, (component) => {
    const code = roundToEven(component / scale);
    return Math.max(-largestCode, Math.min(largestCode, code));
  });
  return { scale, data: new Uint8Array(codes.buffer) };
}

function toFloat16(unit: Float64Array): Coded {
  const data = new Uint8Array(2 * unit.length);
  const view = new DataView(data.buffer);
  unit.forEach((component, index) => {
    view.setUint16(2 * index, numberToHalf(component), true);
  });
  if (data.every((byte) => (byte & 0x7f) === 0)) {
    throw new AppError('TEMPLATE.INVALID', 'The vector has too many components for the float16 codec.');
  }
  return { scale: 1, data };
}
