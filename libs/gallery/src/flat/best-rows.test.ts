import fc from 'fast-check';
import { expect, it } from 'vitest';

import { BestRows } from './best-rows.js';

it('holds the rows with the highest bounds, whatever their order, and bounds what it let go', () => {
  const bound = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.float({ noNaN: true, noDefaultInfinity: true }));
  fc.assert(
    fc.property(fc.array(bound, { maxLength: 200 }), fc.integer({ min: 1, max: 30 }), (bounds, capacity) => {
      const best = new BestRows(capacity);
      bounds.forEach((value, row) => {
        best.offer(row, value);
      });
      const ranked = best.ranked();
      const expected = [...bounds].sort((a, b) => b - a);
      expect(ranked.map((held) => held.bound)).toEqual(expected.slice(0, capacity));
      expect(ranked.every((held) => bounds[held.row] === held.bound)).toBe(true);
      expect(new Set(ranked.map((held) => held.row)).size).toBe(ranked.length);
      expect(best.bar).toBe(expected[capacity] ?? -Infinity);
    }),
    { numRuns: 300 },
  );
});
