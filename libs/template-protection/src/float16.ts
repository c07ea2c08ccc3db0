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
  return sign | (((exponent + 15) << 10) + roundToEven((magnitude / 2 ** exponent - 1) * 1024));
}

/** The exponent of a normal binary64 value. `Math.log2` may be off by a digit beside a power of two. */
function exponentOf(magnitude: number): number {
  const exponent = Math.floor(Math.log2(magnitude));
  if (2 ** exponent > magnitude) return exponent - 1;
  return 2 ** (exponent + 1) <= magnitude ? exponent + 1 : exponent;
}

/** Added to a magnitude below 2⁵¹, it leaves no place for a fraction: 1.5 · 2⁵². The processor rounds ties to even. */
const WITHOUT_FRACTION = 1.5 * 2 ** 52;

/** Rounds a value of a magnitude below 2⁵¹ to the nearest integer, ties to even. */
export function roundToEven(value: number): number {
  return value + WITHOUT_FRACTION - WITHOUT_FRACTION;
}
