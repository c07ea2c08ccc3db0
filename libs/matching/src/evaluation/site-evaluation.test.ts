import { seededIntegers } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { atAngle } from '../testing/people-on-a-circle.js';
import { binomialBounds, trialsForRate } from './binomial-bounds.js';
import { evaluateAt, thresholdFor } from './site-evaluation.js';
import { SiteScoring, type LabelledProbe, type PersonVector, type SiteScores } from './site-scores.js';

const options = (seed = 1) => ({ samples: 200, random: seededIntegers(seed) });

describe('the exact interval', () => {
  it('has the values of the tables', () => {
    expect(binomialBounds(0, 300).high).toBeCloseTo(1 - 0.05 ** (1 / 300), 8);
    const { low, high } = binomialBounds(3 / 50, 50, 0.975); // both sides at 2.5 %: the usual 95 % interval
    expect(low).toBeCloseTo(0.012549, 5);
    expect(high).toBeCloseTo(0.16548, 5);
    expect(binomialBounds(1, 20)).toEqual({ low: expect.closeTo(0.05 ** (1 / 20), 8) as number, high: 1 });
  });

  it('holds the rate, and narrows with the number of trials', () => {
    const rate = fc.double({ min: 0, max: 1, noNaN: true });
    const trials = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(rate, trials, (observed, size) => {
        const { low, high } = binomialBounds(observed, size);
        const more = binomialBounds(observed, 2 * size);
        expect(low).toBeLessThanOrEqual(observed + 1e-9);
        expect(high).toBeGreaterThanOrEqual(observed - 1e-9);
        expect(more.high).toBeLessThanOrEqual(high + 1e-9);
        expect(more.low).toBeGreaterThanOrEqual(low - 1e-9);
      }),
    );
  });

  it('knows the rule of three', () => {
    for (const rate of [0.01, 1e-3, 1e-4]) {
      expect(trialsForRate(rate) * rate).toBeCloseTo(3, 1);
      expect(binomialBounds(0, trialsForRate(rate)).high).toBeLessThanOrEqual(rate);
      expect(binomialBounds(0, trialsForRate(rate) - 1).high).toBeGreaterThan(rate);
    }
  });
});

/** People a few degrees apart. */
function score(probes: readonly LabelledProbe[], enrolled: readonly PersonVector[], floor = -1): SiteScores {
  const people = Math.max(...[...probes, ...enrolled].map(({ person }) => person)) + 1;
  const scoring = new SiteScoring(enrolled, people, floor);
  for (const probe of probes) scoring.add(probe);
  return scoring.scores();
}

const crowd = Array.from({ length: 40 }, (_, person) => ({ person, vector: atAngle(person * 9) }));
/** Two probes of each: one 4 degrees off, the other as far as is said. */
const probesOff = (degrees: number): LabelledProbe[] =>
  crowd.flatMap(({ person }) =>
    [4, degrees].map((apart) => ({ person, vector: atAngle(person * 9 + apart), weight: 1 })),
  );

describe('scores of a site', () => {
  it('are of the nearest own template, and of every template of others', () => {
    const enrolled = [
      { person: 0, vector: atAngle(0) },
      { person: 0, vector: atAngle(30).map((value) => value * 5) },
      { person: 1, vector: atAngle(90) },
    ];
    const found = score([{ person: 0, vector: atAngle(60), weight: 2 }], enrolled, 0);
    expect(found.genuine).toEqual([
      { person: 0, weight: 2, score: expect.closeTo(Math.cos(Math.PI / 6), 6) as number },
    ]);
    expect([...found.impostorTail.scores]).toEqual([expect.closeTo(Math.cos(Math.PI / 6), 6)]);
    expect([found.comparisons, found.pairs]).toEqual([1, 1]);
    expect([...found.probesOf, ...found.templatesOf]).toEqual([1, 0, 2, 1]);
  });

  it('leave out a template that is the probe itself', () => {
    const enrolled = [0, 45].map((degrees) => ({ person: 0, vector: atAngle(degrees) }));
    const probe = { person: 0, vector: atAngle(0), weight: 1 };
    expect(score([probe], enrolled).genuine[0]?.score).toBeCloseTo(Math.SQRT1_2, 6);
    expect(score([probe], enrolled.slice(0, 1))).toMatchObject({ genuine: [], enrolledThemselves: 1 });
  });
});

describe('the evaluation of a site', () => {
  it('counts both errors at a threshold, with intervals that hold them', () => {
    const scores = score(probesOff(40), crowd);
    const point = evaluateAt(scores, Math.cos((10 * Math.PI) / 180), options());
    expect(point.falseNonMatch).toMatchObject({ events: 40, trials: 80, effectiveTrials: 40, rate: 0.5 });
    expect(point.falseMatch.trials).toBe(80 * 39);
    expect(point.falseMatch.effectiveTrials).toBe(40 * 39);
    // The neighbours of the first probe, and those of whoever stands where the second one is.
    expect(point.falseMatch.events).toBe(40 * (1 + 2));
    for (const { low, rate, high } of [point.falseMatch, point.falseNonMatch]) {
      expect(low).toBeLessThan(rate);
      expect(high).toBeGreaterThan(rate);
    }
    expect(evaluateAt(scores, point.threshold, options())).toEqual(point);
  });

  it('lets a probe count for the sightings that it stands for', () => {
    const weighted = probesOff(40).map((probe, at) => ({ ...probe, weight: at % 2 === 0 ? 9 : 1 }));
    expect(evaluateAt(score(weighted, crowd), 0.98, options()).falseNonMatch.rate).toBeCloseTo(0.1, 12);
  });

  it('says nothing of matches without a genuine probe', () => {
    const strangers = [{ person: 41, vector: atAngle(5), weight: 1 }];
    expect(evaluateAt(score(strangers, crowd), 0.9, options()).falseNonMatch).toMatchObject({
      ...{ low: 0, high: 1, trials: 0 },
    });
  });

  it('finds the lowest threshold that keeps the rate, where there are pairs enough to say so', () => {
    const scores = score(probesOff(3), crowd);
    const wanted = 0.02;
    const threshold = thresholdFor(scores, wanted, -1) ?? 2;
    const { falseMatch } = evaluateAt(scores, threshold, options());
    expect(binomialBounds(falseMatch.rate, scores.pairs).high).toBeLessThanOrEqual(wanted);
    const lower = evaluateAt(scores, threshold - 0.02, options()).falseMatch;
    expect(binomialBounds(lower.rate, scores.pairs).high).toBeGreaterThan(wanted);
    expect(scores.pairs).toBeLessThan(trialsForRate(1e-3));
    expect(thresholdFor(scores, 1e-3, -1)).toBeUndefined();
  });

  it('asks for no threshold below the floor', () => {
    const apart = [0, 90, 180, 270].map((degrees, person) => ({ person, vector: atAngle(degrees) }));
    const probes = apart.map(({ person }) => ({ person, vector: atAngle(person * 90 + 3), weight: 1 }));
    expect(thresholdFor(score(probes, apart, 0.2), 0.3, 0.2)).toBe(0.2);
  });

  it('rises as the wanted rate falls', () => {
    const scores = score(probesOff(12), crowd);
    const rate = fc.double({ min: 0.003, max: 0.3, noNaN: true });
    fc.assert(
      fc.property(rate, rate, (one, other) => {
        const [strict, lax] = [Math.min(one, other), Math.max(one, other)].map((wanted) =>
          thresholdFor(scores, wanted, -1),
        );
        expect(strict ?? 1).toBeGreaterThanOrEqual(lax ?? 1);
      }),
    );
  });
});
