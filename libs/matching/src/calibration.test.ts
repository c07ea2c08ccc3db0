import { isAppError } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { thresholdAt } from './calibration.js';

const points = [
  { falseMatchRate: 1e-2, threshold: 0.244 },
  { falseMatchRate: 1e-3, threshold: 0.335 },
  { falseMatchRate: 1e-4, threshold: 0.411 },
  { falseMatchRate: 1e-5, threshold: 0.475 },
];

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return isAppError(error) ? error.code : String(error);
  }
  return undefined;
};

describe('thresholdAt', () => {
  it('returns the measured threshold at a measured rate, both ends included', () => {
    for (const { falseMatchRate, threshold } of points) expect(thresholdAt(points, falseMatchRate)).toBe(threshold);
  });

  it('takes half of a step at the geometric mean of two rates', () => {
    expect(thresholdAt(points, Math.sqrt(1e-3 * 1e-4))).toBeCloseTo((0.335 + 0.411) / 2, 12);
  });

  it('never lowers the threshold for a lower rate, whatever the order of the points', () => {
    const rate = fc.double({ min: 1e-5, max: 1e-2, noNaN: true });
    fc.assert(
      fc.property(rate, rate, (a, b) => {
        const reversed = [...points].reverse();
        const strict = thresholdAt(reversed, Math.min(a, b));
        expect(strict).toBeGreaterThanOrEqual(thresholdAt(points, Math.max(a, b)));
      }),
    );
  });

  it('refuses a rate outside the measured range instead of extrapolating', () => {
    for (const rate of [9.9e-6, 1.01e-2, 0, 1, NaN, Infinity]) {
      expect(codeOf(() => thresholdAt(points, rate))).toBe('CALIBRATION.RATE_NOT_MEASURED');
    }
  });

  it('refuses points that are too few or do not rise as the rates fall', () => {
    const flat = { falseMatchRate: 1e-6, threshold: 0.475 };
    const twice = { falseMatchRate: 1e-5, threshold: 0.5 };
    const missing = { falseMatchRate: 1e-6, threshold: NaN };
    for (const bad of [[], points.slice(0, 1), [...points, flat], [...points, twice], [...points, missing]]) {
      expect(codeOf(() => thresholdAt(bad, 1e-3))).toBe('CALIBRATION.INVALID');
    }
  });
});
