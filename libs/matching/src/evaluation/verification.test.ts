import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bestThreshold, verificationAccuracy } from './verification.js';

const pair = fc.record({ same: fc.boolean(), score: fc.integer({ min: -20, max: 20 }).map((score) => score / 20) });
const right = (pairs: readonly { same: boolean; score: number }[], threshold: number): number =>
  pairs.filter(({ same, score }) => score >= threshold === same).length;

describe('bestThreshold', () => {
  it('decides as many pairs rightly as any threshold does', () => {
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 30 }), (pairs) => {
        const every = Array.from({ length: 90 }, (_, step) => -1.1 + step / 40);
        expect(right(pairs, bestThreshold(pairs))).toBe(Math.max(...every.map((at) => right(pairs, at))));
      }),
    );
  });

  it('lies halfway between the scores that it parts', () => {
    const pairs = [
      { same: false, score: 0.1 },
      { same: true, score: 0.5 },
    ];
    expect(bestThreshold(pairs)).toBeCloseTo(0.3, 12);
  });
});

describe('verificationAccuracy', () => {
  it('never takes a threshold from the fold that it judges', () => {
    const fold = (number: number, genuine: number, impostor: number) => [
      { fold: number, same: true, score: genuine },
      { fold: number, same: false, score: impostor },
    ];
    // The best threshold within the second fold is .85, but the first says .5.
    const { mean, folds } = verificationAccuracy([...fold(1, 0.8, 0.2), ...fold(2, 0.9, 0.8)]);
    expect(folds.map(({ accuracy }) => accuracy)).toEqual([0.5, 0.5]);
    expect(folds[1]?.threshold).toBeCloseTo(0.5, 12);
    expect(mean).toBe(0.5);
  });
});
