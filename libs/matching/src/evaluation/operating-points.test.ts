import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compareAll, type Comparisons } from './comparisons.js';
import { crossValidated, thresholdOf } from './operating-points.js';
import { people } from '../testing/people-on-a-circle.js';

const falling = (length: number): Float32Array => Float32Array.from({ length }, (_, rank) => 1 - rank / length);

describe('thresholdOf', () => {
  it('lets exactly the stated share of impostor pairs pass when thirty or more do', () => {
    const point = thresholdOf(falling(1000), 10_000, 0.01);
    expect(point).toMatchObject({ falseMatches: 100, impostorPairs: 10_000, fitted: false });
    expect(point.threshold).toBeCloseTo(0.9, 6);
  });

  it('fits the tail below thirty false matches, and says so', () => {
    // Scores whose logarithm of the rate is linear: a tail of an exponential distribution, level 0.3 at a rate of .1.
    const scores = Float32Array.from({ length: 10_000 }, (_, rank) => 0.3 + 0.05 * Math.log(10_000 / (rank + 0.5)));
    const point = thresholdOf(scores, 100_000, 1e-4);
    expect(point.fitted).toBe(true);
    expect(point.threshold).toBeCloseTo(0.3 + 0.05 * Math.log(1000), 2);
    expect(point.falseMatches).toBeGreaterThanOrEqual(8);
    expect(point.falseMatches).toBeLessThanOrEqual(12);
    expect(thresholdOf(scores, 100_000, 1e-6).threshold).toBeGreaterThan(point.threshold);
  });

  it('rises as the rate falls, counted or fitted', () => {
    const rate = fc.double({ min: 1e-6, max: 0.05, noNaN: true });
    fc.assert(
      fc.property(rate, rate, (one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        const scores = Float32Array.from({ length: 5000 }, (_, rank) => 0.5 - 0.1 * Math.log10((rank + 1) / 1000));
        const slack = 0.01; // where counting goes over into fitting
        expect(thresholdOf(scores, 50_000, low).threshold + slack).toBeGreaterThan(
          thresholdOf(scores, 50_000, high).threshold,
        );
      }),
    );
  });
});

describe('crossValidated', () => {
  // Two folds of two people. In fold 1 impostors score up to .6, in fold 2 up to .2.
  const comparisons: Comparisons = {
    imagesOfIdentity: Int32Array.of(10, 10, 10, 10),
    genuine: { scores: Float32Array.of(0.5, 0.7, 0.5, 0.7), identities: Int32Array.of(0, 1, 2, 3) },
    impostorPairs: 600,
    impostorHistogram: new Uint32Array(2000),
    impostorTail: {
      scores: Float32Array.from({ length: 200 }, (_, rank) => (rank < 100 ? 0.6 - rank / 1000 : 0.2 - rank / 2000)),
      one: Int32Array.from({ length: 200 }, (_, rank) => (rank < 100 ? 0 : 2)),
      other: Int32Array.from({ length: 200 }, (_, rank) => (rank < 100 ? 1 : 3)),
    },
  };

  it('judges each fold at the threshold of the others, and observes the rate between its own people', () => {
    const [point] = crossValidated(comparisons, [1, 1, 2, 2], [0.4]);
    expect(point?.folds.map(({ fold, falseMatches, impostorPairs }) => [fold, falseMatches, impostorPairs])).toEqual([
      [1, 40, 100],
      [2, 40, 100],
    ]);
    expect(point?.folds[0]?.threshold).toBeCloseTo(0.2 - 140 / 2000, 6); // of fold 2, for fold 1
    expect(point?.folds[1]?.threshold).toBeCloseTo(0.6 - 40 / 1000, 6); // of fold 1, for fold 2
    expect(point?.trueAcceptRate).toBe(3 / 4);
    expect(point?.observed).toEqual({ falseMatches: 100, impostorPairs: 200 });
  });

  it('accepts no fewer at a higher rate', () => {
    fc.assert(
      fc.property(people, (images) => {
        const folds = images.map((_, identity) => identity % 2);
        fc.pre(images.length >= 8);
        const rates = crossValidated(compareAll(images, 1), folds.slice(0, images.length / 2), [0.2, 0.5, 0.9]);
        const accepted = rates.map(({ trueAcceptRate }) => trueAcceptRate);
        expect(accepted).toEqual([...accepted].sort((a, b) => a - b));
        expect(accepted.every((rate) => rate >= 0 && rate <= 1)).toBe(true);
      }),
    );
  });
});
