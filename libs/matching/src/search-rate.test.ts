import { describe, expect, it } from 'vitest';

import { searchPoint } from './search-point.js';
import { comparisonRateFor, searchRateOf } from './search-rate.js';

describe('the rate of one comparison', () => {
  it.each([
    [0.01, 1, 0.01],
    [0.01, 100, 1.005_03e-4],
    [0.1, 1000, 1.053_55e-4],
    [0.01, 1_000_000, 1.005_03e-8],
  ])('for a search rate of %f among %i is %f', (falsePositiveRate, comparisons, expected) => {
    const rate = comparisonRateFor(falsePositiveRate, comparisons);
    expect(rate / expected).toBeCloseTo(1, 4);
    expect(searchRateOf(rate, comparisons)).toBeCloseTo(falsePositiveRate, 12);
  });

  it('never exceeds what the union bound allows by more than its second order, and never falls below it', () => {
    for (const comparisons of [1, 7, 1000, 1e6]) {
      const rate = comparisonRateFor(0.03, comparisons);
      expect(rate * comparisons).toBeGreaterThanOrEqual(0.03 * 0.999_999);
      expect(rate * comparisons).toBeLessThan(0.031);
    }
  });

  it('of an empty gallery is that of a gallery of one', () => {
    expect(comparisonRateFor(0.01, 0)).toBe(comparisonRateFor(0.01, 1));
  });

  it.each([0, 1, -0.1, Number.NaN])('is refused for a rate of %f', (rate) => {
    expect(() => comparisonRateFor(rate, 10)).toThrow(/above 0 and below 1/);
    expect(() => searchRateOf(rate, 10)).toThrow(/above 0 and below 1/);
  });
});

describe('the bar of a search', () => {
  const points = [
    { falseMatchRate: 1e-2, threshold: 0.2 },
    { falseMatchRate: 1e-4, threshold: 0.4 },
    { falseMatchRate: 1e-5, threshold: 0.5 },
  ];

  it('rises with the gallery, from where its size begins to matter', () => {
    const target = { falseMatchRate: 1e-3, falsePositiveRate: 0.01 };
    const bars = [1, 10, 100, 500, 900].map((size) => searchPoint(points, target, size));
    expect(bars.map(({ threshold }) => threshold.toFixed(3))).toEqual(['0.300', '0.300', '0.400', '0.470', '0.495']);
    expect(bars.every(({ calibrationLimited }) => !calibrationLimited)).toBe(true);
  });

  it('is moved by what the calibration is off by, and stays a cosine', () => {
    const target = { falseMatchRate: 1e-4 };
    const { threshold, ...point } = searchPoint(points, target, 1);
    const moved = searchPoint(points, { ...target, offset: 0.05 }, 1);
    expect(moved.threshold).toBeCloseTo(threshold + 0.05, 12);
    expect(moved).toMatchObject({ ...point, calibrationOffset: 0.05 });
    expect(searchPoint(points, { ...target, offset: 0.9 }, 1).threshold).toBe(1);
  });

  it('stops at the end of what was measured, and says so', () => {
    const target = { falseMatchRate: 1e-3, falsePositiveRate: 0.01 };
    expect(searchPoint(points, target, 100_000)).toMatchObject({
      ...{ threshold: 0.5, falseMatchRate: 1e-5, calibrationLimited: true },
      wantedFalseMatchRate: expect.closeTo(1.005e-7, 10) as number,
    });
    expect(searchPoint(points, { falseMatchRate: 0.5 }, 1)).toMatchObject({
      ...{ threshold: 0.2, falseMatchRate: 1e-2, calibrationLimited: true },
    });
  });

  it('does not depend on the gallery where no rate of the search is asked for', () => {
    const target = { falseMatchRate: 1e-4 };
    expect(searchPoint(points, target, 1e6)).toEqual(searchPoint(points, target, 1));
  });
});
