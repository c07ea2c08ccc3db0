import { seededIntegers } from '@sightline/kernel';
import { expect, it } from 'vitest';

import { fitScoreTail, tailQuantile } from './generalised-pareto.js';

/** Scores by the quantile function of a generalised Pareto distribution above `level`, falling, and the level. */
function sample(level: number, shape: number, scale: number, size: number): Float32Array {
  const random = seededIntegers(3);
  const excess = Float32Array.from({ length: size }, () => {
    const rarity = (random(2 ** 30) + 0.5) / 2 ** 30;
    return Math.abs(shape) < 1e-9 ? -scale * Math.log(rarity) : (scale / shape) * (rarity ** -shape - 1);
  });
  return Float32Array.from([...excess.sort().reverse(), 0], (value) => level + value);
}

it.each([-0.2, 0, 0.1])('finds the parameters of a tail of shape %s', (shape) => {
  const tail = fitScoreTail(sample(0.33, shape, 0.04, 20_000), 20_000_000);
  expect(tail.level).toBeCloseTo(0.33, 6);
  expect(tail.share).toBeCloseTo(1e-3, 12);
  expect(tail.shape).toBeCloseTo(shape, 1);
  expect(tail.scale).toBeCloseTo(0.04, 2);
});

it('extrapolates to the quantile of the distribution', () => {
  const tail = { level: 0.33, share: 1e-3, shape: -0.2, scale: 0.04 };
  expect(tailQuantile(tail, 1e-3)).toBeCloseTo(0.33, 12);
  expect(tailQuantile(tail, 1e-6)).toBeCloseTo(0.33 + (0.04 / -0.2) * (1000 ** -0.2 - 1), 12);
  expect(tailQuantile({ ...tail, shape: 0 }, 1e-6)).toBeCloseTo(0.33 + 0.04 * Math.log(1000), 12);
});
