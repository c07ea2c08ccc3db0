import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { backoffMs } from './backoff.js';

describe('backoffMs', () => {
  it('lies between half and the whole of the doubled base, and never above the cap', () => {
    const attempts = fc.integer({ min: 0, max: 10_000 });
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        attempts,
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 600_000 }),
        unit,
        (n, baseMs, capMs, u) => {
          const bound = Math.min(capMs, baseMs * 2 ** Math.min(n, 30));
          const delay = backoffMs(n, { baseMs, capMs, random: () => u });
          expect(delay).toBeGreaterThanOrEqual(bound / 2);
          expect(delay).toBeLessThanOrEqual(bound);
        },
      ),
    );
  });

  it('doubles from attempt to attempt until the cap', () => {
    const options = { baseMs: 100, capMs: 1000, random: () => 0 };
    expect([0, 1, 2, 3, 4, 400].map((attempt) => backoffMs(attempt, options))).toEqual([50, 100, 200, 400, 500, 500]);
  });

  it('spreads a fleet without being told how', () => {
    const delays = new Set(Array.from({ length: 50 }, () => backoffMs(3, { baseMs: 100, capMs: 60_000 })));
    expect(delays.size).toBeGreaterThan(40);
  });
});
