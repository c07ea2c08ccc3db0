import { seededIntegers } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { drawHalf, openSetRates, runOpenSetTrial } from './open-set-rates.js';
import { atAngle } from '../testing/people-on-a-circle.js';

const image = (identity: number, degrees: number) => ({
  identity,
  enrolled: atAngle(degrees),
  probe: atAngle(degrees),
});

// Three people at 0°, 40° and 80°; strangers 10° and 60° from the nearest of them.
const trial = runOpenSetTrial({
  enrolled: [image(0, 0), image(1, 40), image(2, 80)],
  probes: [image(0, 5), image(1, 45), image(2, 45), image(2, 95)],
  strangers: [image(3, 140), image(4, -10)],
});

describe('openSetRates', () => {
  it('counts probes that are not found, and those that are found as another', () => {
    const [none, half] = openSetRates(trial, [0, 0.5]);
    expect(none?.threshold).toBeCloseTo(Math.cos(Math.PI / 18), 6); // no stranger is returned
    expect(none?.falseNegativeRate).toBe(2 / 4); // 45° is nearest to another, 95° is too far
    expect(half?.threshold).toBeCloseTo(0.5, 6);
    expect(half?.falseNegativeRate).toBe(1 / 4);
  });

  it('takes identities out of the gallery: their images, the enrolled too, become strangers', () => {
    const [rate] = openSetRates(trial, [0], new Set([1, 2]));
    expect(rate?.threshold).toBeCloseTo(Math.cos(Math.PI / 18), 6);
    expect(rate?.falseNegativeRate).toBe(0);
    const [quarter] = openSetRates(trial, [1 / 7], new Set([1, 2])); // of seven strangers one may pass: 40° is next
    expect(quarter?.threshold).toBeCloseTo(Math.cos((40 * Math.PI) / 180), 6);
  });

  it('refuses a trial without probes or without strangers', () => {
    const invalid = expect.objectContaining({ code: 'EVALUATION.INVALID' }) as Error;
    expect(() => openSetRates(trial, [0.1], new Set([0, 1, 2]))).toThrow(invalid);
    const friends = runOpenSetTrial({ enrolled: [image(0, 0)], probes: [image(0, 1)], strangers: [] });
    expect(() => openSetRates(friends, [0.1])).toThrow(invalid);
  });
});

it('draws half of the identities, differently for each seed and alike for the same', () => {
  const many = { enrolledIdentities: Array.from({ length: 100 }, (_, at) => at % 50), searches: [] };
  const draws = [1, 1, 2].map((seed) => [...drawHalf(many, seededIntegers(seed))]);
  expect(draws[0]).toHaveLength(25);
  expect(draws[1]).toEqual(draws[0]);
  expect(draws[2]).not.toEqual(draws[0]);
});
