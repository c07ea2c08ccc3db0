import { seededIntegers } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { driftsAfter, judgeDrift, type DriftRules, type DriftVerdict } from './judge-drift.js';
import { kolmogorovSmirnov } from './kolmogorov-smirnov.js';
import { populationStabilityIndex, stabilityNoise, sum } from './population-stability.js';

const BINS = 20;
const counts = fc
  .array(fc.integer({ min: 0, max: 500 }), { minLength: BINS, maxLength: BINS })
  .filter((bins) => sum(bins) > 0);
const rules: DriftRules = { minimumSamples: 300, alertIndex: 0.25, clearIndex: 0.1, significance: 1e-3 };

/** Seeded draws of a normal distribution: Box and Muller. */
function normal(seed: number): (mean: number, deviation: number) => number {
  const random = seededIntegers(seed);
  const uniform = () => (random(2 ** 30) + 0.5) / 2 ** 30;
  return (mean, deviation) =>
    mean + deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

function histogram(values: readonly number[]): number[] {
  const bins = Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(value * BINS)));
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  return bins;
}

describe('the population stability index', () => {
  it('is never below 0, is 0 between equals, and does not mind which comes first', () => {
    fc.assert(
      fc.property(counts, counts, (one, other) => {
        const index = populationStabilityIndex(one, other);
        expect(index).toBeGreaterThanOrEqual(0);
        expect(index).toBeLessThan(Infinity);
        expect(populationStabilityIndex(other, one)).toBeCloseTo(index, 10);
        expect(populationStabilityIndex(one, one)).toBe(0);
      }),
    );
  });

  it('does not mind bins that are empty on both sides', () => {
    fc.assert(
      fc.property(counts, counts, fc.integer({ min: 0, max: BINS }), (one, other, at) => {
        const index = populationStabilityIndex(one, other);
        expect(populationStabilityIndex(one.toSpliced(at, 0, 0), other.toSpliced(at, 0, 0))).toBeCloseTo(index, 12);
      }),
    );
  });

  it('is that of the textbook where no bin is empty', () => {
    const [one, other] = [
      [300, 500, 200],
      [200, 500, 300],
    ];
    expect(populationStabilityIndex(one, other)).toBeCloseTo(0.2 * Math.log(300 / 200), 3);
  });

  it('stays below what chance is said to reach, as often as is said', () => {
    const draw = normal(11);
    const sample = (size: number) => histogram(Array.from({ length: size }, () => draw(0.5, 0.15)));
    const rounds = Array.from({ length: 1000 }, () => [sample(600), sample(300)] as const);
    const above = (score: number) =>
      rounds.filter(([one, other]) => populationStabilityIndex(one, other) > stabilityNoise(one, other, score)).length;
    // 50 and 1 of a thousand were expected; bins with a few samples make it a little less.
    expect(above(1.6449)).toBeGreaterThan(5);
    expect(above(1.6449)).toBeLessThan(70);
    expect(above(3.0902)).toBeLessThan(5);
  });

  it('refuses what cannot be compared', () => {
    for (const [one, other] of [
      [[1, 2], [1]],
      [
        [0, 0],
        [1, 1],
      ],
      [
        [1, 1],
        [2, -1],
      ],
    ] as const) {
      expect(() => populationStabilityIndex(one, other)).toThrow(
        expect.objectContaining({ code: 'DRIFT.INVALID' }) as Error,
      );
    }
  });
});

describe('the test of Kolmogorov and Smirnov', () => {
  it('lies in its range, does not mind which comes first, and is sure of nothing between equals', () => {
    fc.assert(
      fc.property(counts, counts, (one, other) => {
        const { statistic, pValue } = kolmogorovSmirnov(one, other);
        expect(statistic).toBeGreaterThanOrEqual(0);
        expect(statistic).toBeLessThanOrEqual(1);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        expect(kolmogorovSmirnov(other, one).statistic).toBeCloseTo(statistic, 12);
        expect(kolmogorovSmirnov(one, one)).toEqual({ statistic: 0, pValue: 1 });
      }),
    );
  });

  it('is surer of the same difference the more samples there are', () => {
    fc.assert(
      fc.property(counts, counts, fc.integer({ min: 2, max: 20 }), (one, other, times) => {
        const more = (bins: readonly number[]) => bins.map((count) => count * times);
        const { statistic, pValue } = kolmogorovSmirnov(more(one), more(other));
        expect(statistic).toBeCloseTo(kolmogorovSmirnov(one, other).statistic, 12);
        expect(pValue).toBeLessThanOrEqual(kolmogorovSmirnov(one, other).pValue + 1e-9);
      }),
    );
  });

  it('has the critical values of the tables', () => {
    // D = 1.36 √((n + m) / nm) at 5 %, 1.95 at 0.1 %.
    const at = (factor: number) => {
      const shift = Math.round(10_000 * factor * Math.sqrt(2 / 10_000));
      return kolmogorovSmirnov([5000, 5000], [5000 - shift, 5000 + shift]).pValue;
    };
    expect(at(1.36)).toBeCloseTo(0.05, 2);
    expect(at(1.95)).toBeCloseTo(0.001, 3);
  });

  it('is conservative on histograms', () => {
    const draw = normal(5);
    const sample = () => histogram(Array.from({ length: 400 }, () => draw(0.5, 0.15)));
    const found = Array.from({ length: 1000 }, () => kolmogorovSmirnov(sample(), sample()).pValue);
    expect(found.filter((pValue) => pValue < 0.05).length).toBeLessThan(50);
  });
});

describe('a comparison', () => {
  it('says nothing about too few', () => {
    const [few, many] = [Array<number>(BINS).fill(1), Array<number>(BINS).fill(100)];
    expect(judgeDrift(many, few, rules)).toMatchObject({ verdict: 'too-few', samples: 20, index: null });
    expect(judgeDrift(few, many, rules)).toMatchObject({ verdict: 'too-few', baselineSamples: 20, pValue: null });
    expect(judgeDrift([0, 0], [0, 0], { ...rules, minimumSamples: 0 }).verdict).toBe('too-few');
  });

  it('needs a large difference, and a significant one', () => {
    const many = [40_000, 60_000];
    expect(judgeDrift(many, [41_500, 58_500], rules)).toMatchObject({ verdict: 'stable' }); // significant, and small
    expect(judgeDrift(many, [58_000, 42_000], rules)).toMatchObject({ verdict: 'unclear' });
    expect(judgeDrift(many, [70_000, 30_000], rules)).toMatchObject({ verdict: 'drifted', alertIndex: 0.25 });
    const quiet = judgeDrift([2, 2, 3, 3], [3, 0, 3, 4], { ...rules, minimumSamples: 10 });
    expect(quiet.alertIndex).toBeGreaterThan(2); // what chance does to ten samples
    expect(quiet.verdict).toBe('stable');
  });

  it('opens an episode, and closes it once everything is as before', () => {
    const after = (drifted: boolean, ...verdicts: DriftVerdict[]) => driftsAfter(drifted, verdicts);
    expect([after(false, 'stable', 'drifted'), after(false, 'unclear', 'unclear')]).toEqual([true, false]);
    expect([after(true, 'stable', 'unclear'), after(true, 'too-few', 'too-few')]).toEqual([true, true]);
    expect([after(true, 'stable', 'stable'), after(true, 'stable', 'too-few')]).toEqual([false, false]);
  });
});

/**
 * A camera's weeks: people come again and again, each with a quality of their own, and every day has a light of its own.
 * So sightings are not independent, as in life.
 */
function week(draw: ReturnType<typeof normal>, size: number, shift: number): number[] {
  const people = Array.from({ length: Math.ceil(size / 8) }, () => draw(0, 0.08));
  const days = Array.from({ length: 7 }, () => draw(0, 0.02));
  return histogram(
    Array.from({ length: size }, (_, at) =>
      draw(0.6 + shift + (people[at % people.length] ?? 0) + (days[Math.floor((7 * at) / size)] ?? 0), 0.08),
    ),
  );
}

describe('over simulated weeks of 400 cameras', () => {
  const verdicts = (shift: number, size: number) => {
    const draw = normal(2026);
    return Array.from({ length: 400 }, () => judgeDrift(week(draw, 1000, 0), week(draw, size, shift), rules).verdict);
  };
  const share = (found: readonly DriftVerdict[]) => found.filter((verdict) => verdict === 'drifted').length / 400;

  it.each([300, 500, 2000])('of %i sightings, quiet ones raise an alarm in fewer than one of a hundred', (size) => {
    expect(share(verdicts(0, size))).toBeLessThan(0.01);
  });

  it('a quality that fell by most of its deviation is found in nearly all, by a fifth of it in few', () => {
    expect(share(verdicts(-0.1, 500))).toBeGreaterThan(0.98);
    expect(share(verdicts(-0.02, 500))).toBeLessThan(0.05);
  });
});
