import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { atAngle, people } from '../testing/people-on-a-circle.js';
import { scoreShift, vectorAgreement } from './agreement.js';
import { compareAll } from './comparisons.js';
import { rocCurve } from './roc-curve.js';
import { coarser, scoreExceededBy, scoreHistogram } from './score-histogram.js';
import { subgroupRate } from './subgroup-rates.js';

describe('the agreement of two models', () => {
  it('is their cosine on the same faces, and the lowest ones', () => {
    const faces = [0, 10, 60].map((degrees) => ({ one: atAngle(0), other: atAngle(degrees) }));
    const { mean, min, p1, cosines } = vectorAgreement(faces);
    expect(min).toBeCloseTo(0.5, 6);
    expect(p1).toBe(min);
    expect(mean).toBeCloseTo((1 + Math.cos(Math.PI / 18) + 0.5) / 3, 6);
    expect([...cosines]).toEqual([...cosines].sort((one, other) => one - other));
  });

  it('tells by how much scores move, and how their distributions part', () => {
    const before = Float32Array.of(0.1, 0.2, 0.3, 0.4);
    const moved = scoreShift(
      before,
      before.map((score) => score + 0.05),
    );
    expect(moved).toMatchObject({ pairs: 4, kolmogorovSmirnov: 0.25 });
    expect(moved.mean).toBeCloseTo(0.05, 6);
    expect(moved.deviation).toBeCloseTo(0, 6);
    expect(scoreShift(before, before).kolmogorovSmirnov).toBe(0);
  });
});

describe('the receiver operating characteristic', () => {
  it('falls with the false-match rate, whoever is compared', () => {
    fc.assert(
      fc.property(people, fc.constantFrom(0.05, 1), (images, tail) => {
        const curve = rocCurve(compareAll(images, tail));
        expect(curve[0]?.falseMatchRate).toBe(1);
        for (const [at, point] of curve.slice(1).entries()) {
          expect(point.trueAcceptRate).toBeLessThanOrEqual(curve[at]?.trueAcceptRate ?? 0);
          expect(point.threshold).toBeGreaterThanOrEqual((curve[at]?.threshold ?? 1) - 0.002);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('accepts every true pair where no two people are alike', () => {
    const images = [0, 0, 90, 90, 180, 180].map((degrees, at) => {
      return { identity: Math.floor(at / 2), enrolled: atAngle(degrees), probe: atAngle(degrees) };
    });
    expect(rocCurve(compareAll(images, 1)).every(({ trueAcceptRate }) => trueAcceptRate === 1)).toBe(true);
  });
});

describe('a histogram of scores', () => {
  it('counts each score once, also at the borders and what rounding puts outside', () => {
    const histogram = scoreHistogram([-1.0000001, -1, 0, 0.9999, 1, 1.0000001]);
    expect(coarser(histogram, 4)).toEqual([2, 0, 1, 3]);
  });

  it('knows the score that a share lies above, to a bin', () => {
    const histogram = scoreHistogram(Array.from({ length: 1000 }, (_, at) => at / 1000));
    expect(scoreExceededBy(histogram, 0.1)).toBeCloseTo(0.9, 2);
    expect(scoreExceededBy(histogram, 1)).toBeCloseTo(0, 2);
  });
});

describe('rates of a part of the people', () => {
  // Two alike people, of whom the first is 40° off himself; the third is like nobody.
  const images = [
    { identity: 0, degrees: 0 },
    { identity: 0, degrees: 40 },
    { identity: 1, degrees: 10 },
    { identity: 1, degrees: 12 },
    { identity: 2, degrees: 180 },
    { identity: 2, degrees: 181 },
  ].map(({ identity, degrees }) => ({ identity, enrolled: atAngle(degrees), probe: atAngle(degrees) }));
  const comparisons = compareAll(images, 1);

  it('count true pairs of its people and false matches between two of them alone', () => {
    const alike = subgroupRate(comparisons, (identity) => identity < 2, 0.95);
    expect(alike).toEqual({
      genuinePairs: 2,
      trueAcceptRate: 0.5,
      impostorPairs: 4,
      falseMatches: 2,
      falseMatchRate: 0.5,
    });
    const apart = subgroupRate(comparisons, (identity) => identity !== 1, 0.95);
    expect(apart).toMatchObject({ genuinePairs: 2, falseMatches: 0, falseMatchRate: 0 });
  });

  it('are none where there is nobody, or one person', () => {
    expect(subgroupRate(comparisons, () => false, 0.9)).toMatchObject({ trueAcceptRate: null, falseMatchRate: null });
    expect(subgroupRate(comparisons, (identity) => identity === 2, 0.9)).toMatchObject({
      trueAcceptRate: 1,
      falseMatchRate: null,
    });
  });
});
