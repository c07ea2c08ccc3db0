/** What lies in a byte for the code 0: a template's codes are stored without a sign, which kernels unpack faster. */
export const STORED_ZERO = 128;

/**
 * Writes a probe's codes as the scanning kernels take them (`assembly/coded-products.ts`): of every 16 components first
 * the even ones, then the odd ones.
 *
 * @param into a whole number of times 16, at least as long as `codes`; beyond them it is filled up with zeros
 * @returns what a product with stored bytes has too much: 128 times the sum of the codes
 */
export function writeProbeCodes(codes: Int16Array, into: Int16Array): number {
  let sum = 0;
  for (let index = 0; index < into.length; index += 1) {
    const code = codes[index] ?? 0;
    const place = index % 16;
    into[index - place + (place % 2) * 8 + (place >> 1)] = code;
    sum += code;
  }
  return STORED_ZERO * sum;
}
