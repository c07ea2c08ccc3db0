/**
 * A vector v as whole numbers: v ≈ step · codes, with what is needed to bound the error of a scan.
 *
 * For a template t and a probe p of unit length, both coded, p·t = p̂·t̂ + (p − p̂)·t + p̂·(t − t̂), so by
 * Cauchy–Schwarz |p·t − p̂·t̂| ≤ |p − p̂| + |p̂|·|t − t̂| = p.residual + p.codedLength · t.residual. Both lengths
 * are measured on the very vectors, so the bound holds for any vector, not for typical ones.
 */
export interface Coded {
  /** Whole numbers, int16 at most. */
  readonly codes: Int16Array;
  /** step / |v|: the unit vector is close to weight · codes. */
  readonly weight: number;
  /** |v − step · codes| / |v|: 0 where the codes are the stored form. */
  readonly residual: number;
  /** |step · codes| / |v|, near 1. */
  readonly codedLength: number;
}

/** Added to a template's codes where they are stored: the fast kernels take unsigned ones on that side. */
export const codeOffset = 128;
const largestTemplateCode = 127;

/**
 * The largest code of a probe that ONNX Runtime multiplies. With seven bits, 2 · 255 · 64 fits into 16 bits: x64
 * machines without VNNI add pairs of products in saturating 16-bit arithmetic, and would answer wrongly for eight.
 */
export const largestNarrowCode = 64;

/**
 * The largest code of a probe that our own kernel multiplies: 16 bits, and so small that no sum of products with a
 * template's codes can leave 32.
 */
export function largestWideCode(dimension: number): number {
  return Math.min(2 ** 15 - 1, Math.floor((2 ** 31 - 1) / (codeOffset * dimension)));
}

/** @param largestCode that a component may get */
export function codeProbe(vector: Float32Array, largestCode: number): Coded {
  return measure(vector, largest(vector) / largestCode);
}

/** Rounds a template that is stored in another form than int8. */
export function codeTemplate(vector: Float32Array): Coded {
  return measure(vector, largest(vector) / largestTemplateCode);
}

/**
 * A template whose stored form is its codes: nothing is lost but the rounding of float32, 6e-8.
 *
 * @param codes not all zero
 */
export function codedAsStored(codes: Int8Array): Coded {
  let square = 0;
  for (const code of codes) square += code * code;
  return { codes: Int16Array.from(codes), weight: 1 / Math.sqrt(square), residual: 0, codedLength: 1 };
}

function measure(vector: Float32Array, step: number): Coded {
  const codes = new Int16Array(vector.length);
  let square = 0;
  let codedSquare = 0;
  let errorSquare = 0;
  for (let index = 0; index < vector.length; index += 1) {
    const component = vector[index] ?? 0;
    const code = Math.round(component / step);
    const error = component - step * code;
    codes[index] = code;
    square += component * component;
    codedSquare += step * step * code * code;
    errorSquare += error * error;
  }
  const length = Math.sqrt(square);
  return {
    codes,
    weight: step / length,
    residual: Math.sqrt(errorSquare) / length,
    codedLength: Math.sqrt(codedSquare) / length,
  };
}

function largest(vector: Float32Array): number {
  let magnitude = 0;
  for (const component of vector) magnitude = Math.max(magnitude, Math.abs(component));
  return magnitude;
}
