import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { advanceWatermark } from './watermark.js';

const one = (sequence: number) => ({ first: sequence, last: sequence });

describe('the watermark', () => {
  it('stops before a hole, and passes it once it is filled', () => {
    expect(advanceWatermark(0, [one(1), one(2), one(4)])).toBe(2);
    expect(advanceWatermark(2, [one(3), one(4)])).toBe(4);
  });

  it('passes a range that the box dropped', () => {
    expect(advanceWatermark(3, [{ first: 2, last: 9 }, one(10)])).toBe(10);
  });

  it('stays without news', () => {
    expect(advanceWatermark(7, [])).toBe(7);
    expect(advanceWatermark(7, [one(3), one(9)])).toBe(7);
  });

  it('is the highest sequence below which nothing is missing, in any order of arrival', () => {
    const ranges = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 4 })).map(([first, more]) => ({
        first,
        last: first + more,
      })),
    );
    fc.assert(
      fc.property(ranges, fc.integer({ min: 0, max: 20 }), (given, from) => {
        const through = advanceWatermark(from, given);
        const has = (sequence: number) => given.some(({ first, last }) => first <= sequence && sequence <= last);
        for (let sequence = from + 1; sequence <= through; sequence += 1) expect(has(sequence)).toBe(true);
        expect(has(through + 1)).toBe(false);
        expect(through).toBeGreaterThanOrEqual(from);
      }),
    );
  });
});
