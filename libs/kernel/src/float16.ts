// IEEE 754 binary16, for Node versions without Float16Array.

const largestHalf = 65504;

/** Every binary16 value by its bits; NaN and the infinities included. */
const valueOfBits = Float32Array.from({ length: 0x10000 }, (_, bits) => {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The value of a binary16 bit pattern, 0 to 0xffff. */
export function halfToNumber(bits: number): number {
  return valueOfBits[bits & 0xffff] ?? NaN;
}

/**
 * The nearest binary16 bit pattern, ties to even. Values beyond ±65504 become infinite, as the standard's
 * rounding does from 65520 on.
 */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= largestHalf + 16) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  const exponent = exponentOf(magnitude);
  // Powers of two are exact in binary64, so only the rounding itself loses anything. The carry of a fraction
  // that rounds up to 1024 runs into the exponent, which is the right answer.
  return sign | (((exponent + 15) << 10) + roundToEven((magnitude / (powerOfTwo[exponent + 14] ?? NaN) - 1) * 1024));
}

/** 2⁻¹⁴ to 2¹⁵: the powers of the normal binary16 values. */
const powerOfTwo = Float64Array.from({ length: 30 }, (_, index) => 2 ** (index - 14));

const inspected = new DataView(new ArrayBuffer(8));

/** The exponent of a normal binary64 value: eleven bits below the sign, biased by 1023 (IEEE 754). */
function exponentOf(magnitude: number): number {
  inspected.setFloat64(0, magnitude);
  return ((inspected.getUint16(0) >> 4) & 0x7ff) - 1023;
}

/** Added to a magnitude below 2⁵¹, it leaves no place for a fraction: 1.5 · 2⁵². The processor rounds ties to even. */
const WITHOUT_FRACTION = 1.5 * 2 ** 52;

/** Rounds a value of a magnitude below 2⁵¹ to the nearest integer, ties to even. */
export function roundToEven(value: number): number {
  return value + WITHOUT_FRACTION - WITHOUT_FRACTION;
}
