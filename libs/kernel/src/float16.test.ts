import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { halfToNumber, numberToHalf } from './float16.js';

describe('numberToHalf', () => {
  it('keeps every binary16 value', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const value = halfToNumber(bits);
      if (!Number.isNaN(value)) expect(numberToHalf(value)).toBe(bits);
    }
  });

  it('rounds to the nearest value, ties to the even one', () => {
    const neighbours = fc.integer({ min: 0, max: 0x7bfe });
    fc.assert(
      fc.property(neighbours, fc.double({ min: 0, max: 1, noNaN: true }), (bits, share) => {
        const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)];
        const value = low + share * (high - low);
        const distance = Math.abs(halfToNumber(numberToHalf(value)) - value);
        expect(distance).toBe(Math.min(value - low, high - value));
      }),
    );
    for (let bits = 0; bits < 0x7bff; bits += 1) {
      const middle = (halfToNumber(bits) + halfToNumber(bits + 1)) / 2;
      expect(numberToHalf(middle) % 2).toBe(0);
      expect(numberToHalf(-middle)).toBe(numberToHalf(middle) | 0x8000);
    }
    expect(halfToNumber(numberToHalf(65519))).toBe(65504);
    expect(halfToNumber(numberToHalf(65520))).toBe(Infinity);
    expect(halfToNumber(numberToHalf(NaN))).toBeNaN();
  });
});
