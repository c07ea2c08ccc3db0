import { seededIntegers } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { compareAll } from './comparisons.js';
import { trueAcceptInterval } from './identity-bootstrap.js';
import { atAngle } from '../testing/people-on-a-circle.js';

/** People a few degrees apart, two images each; every `every`-th person's images lie far from each other. */
const crowd = (every: number) =>
  Array.from({ length: 60 }, (_, identity) =>
    [0, identity % every === 0 ? 90 : 1].map((apart) => {
      const vector = atAngle(identity * 6 + apart);
      return { identity, enrolled: vector, probe: vector };
    }),
  ).flat();

const options = (seed: number) => ({ falseMatchRate: 0.01, samples: 200, random: seededIntegers(seed) });

describe('trueAcceptInterval', () => {
  it('holds the rate of the whole set, and is the same for the same seed', () => {
    const comparisons = compareAll(crowd(5), 0.5);
    const interval = trueAcceptInterval(comparisons, options(1));
    expect(interval).toEqual(trueAcceptInterval(comparisons, options(1)));
    expect(interval.low).toBeLessThan(0.8);
    expect(interval.high).toBeGreaterThan(0.8);
    expect(interval.low).toBeGreaterThan(0.6);
    expect(interval.high).toBeLessThanOrEqual(1);
  });

  it('has no width where every genuine pair matches', () => {
    expect(trueAcceptInterval(compareAll(crowd(1000).slice(2), 0.5), options(2))).toEqual({ low: 1, high: 1 });
  });
});
