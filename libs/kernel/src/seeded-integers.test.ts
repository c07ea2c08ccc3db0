import { expect, it } from 'vitest';

import { seededIntegers } from './seeded-integers.js';

it('draws the same numbers from the same seed, each below its bound, and about evenly', () => {
  const counts = new Map<number, number>();
  const [one, other, third] = [seededIntegers(7), seededIntegers(7), seededIntegers(8)];
  const draws = Array.from({ length: 3000 }, () => one(3));
  expect(Array.from({ length: 3000 }, () => other(3))).toEqual(draws);
  expect(Array.from({ length: 3000 }, () => third(3))).not.toEqual(draws);
  for (const draw of draws) counts.set(draw, (counts.get(draw) ?? 0) + 1);
  expect([...counts.keys()].sort()).toEqual([0, 1, 2]);
  expect(Math.min(...counts.values())).toBeGreaterThan(900);
});
