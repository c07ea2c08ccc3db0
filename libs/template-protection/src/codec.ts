import { halfToNumber, numberToHalf, roundToEven, type KeyId, type Sha256, type SpaceId } from '@sightline/kernel';

import type { Template, TemplateCodec } from './template.js';
import { validateCodedVector, validateTemplate, validateVector, type CodedVector } from './validate.js';

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
 * @returns `dimension` components, in float32
 * @throws AppError `TEMPLATE.INVALID`
 */
export function decodeTemplate(coded: CodedVector): Float32Array {
  validateCodedVector(coded);
  const { codec, data, dimension, scale } = coded;
  const vector = new Float32Array(dimension);
  if (codec === 'int8') {
    const codes = new Int8Array(data.buffer, data.byteOffset, dimension);
    for (let index = 0; index < dimension; index += 1) vector[index] = scale * (codes[index] ?? 0);
    return vector;
  }
  for (let index = 0; index < dimension; index += 1) {
    // By bytes: a view of 16-bit numbers would have to be aligned and follow the machine's byte order.
    vector[index] = halfToNumber((data[2 * index] ?? 0) | ((data[2 * index + 1] ?? 0) << 8));
  }
  return vector;
}

interface UnitVector {
  readonly components: Float64Array;
  /** The largest magnitude of a component. */
  readonly largest: number;
}

interface Coded {
  readonly scale: number;
  readonly data: Uint8Array;
}

function toUnitLength(vector: Float32Array): UnitVector {
  // Scaled by the largest component first: squares of tiny components would vanish.
  const largest = largestMagnitude(vector);
  const components = new Float64Array(vector.length);
  let square = 0;
  for (let index = 0; index < components.length; index += 1) {
    const component = (vector[index] ?? 0) / largest;
    components[index] = component;
    square += component * component;
  }
  const length = Math.sqrt(square);
  for (let index = 0; index < components.length; index += 1) components[index] = (components[index] ?? 0) / length;
  return { components, largest: 1 / length };
}

/** The largest magnitude of a component. */
export function largestMagnitude(vector: Float32Array): number {
  let largest = 0;
  for (const component of vector) largest = Math.max(largest, Math.abs(component));
  return largest;
}

function toInt8({ components, largest }: UnitVector): Coded {
  const scale = Math.fround(largest / largestCode);
  const codes = new Int8Array(components.length);
  for (let index = 0; index < codes.length; index += 1) {
    const code = roundToEven((components[index] ?? 0) / scale);
    // The scale was rounded: the largest component may come out beyond it, by less than the rounding of codes.
    codes[index] = code > largestCode ? largestCode : code < -largestCode ? -largestCode : code;
  }
  return { scale, data: new Uint8Array(codes.buffer) };
}

function toFloat16({ components }: UnitVector): Coded {
  const data = new Uint8Array(2 * components.length);
  for (let index = 0; index < components.length; index += 1) {
    const bits = numberToHalf(components[index] ?? 0);
    data[2 * index] = bits & 0xff;
    data[2 * index + 1] = bits >> 8;
  }
  return { scale: 1, data };
}
