import { seededIntegers } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { BestScores } from './best-scores.js';

describe('the best of many', () => {
  it('are those that a sort would put first, and all are counted', () => {
    const random = seededIntegers(3);
    for (const [capacity, offered] of [
      [1, 0],
      [1, 9],
      [7, 7],
      [10, 1000],
    ] as const) {
      const all = Array.from({ length: offered }, (_, item) => ({ item, score: random(50) }));
      const best = new BestScores<number>(capacity);
      for (const { item, score } of all) best.offer(item, score);
      expect(best.list()).toEqual(all.toSorted((a, b) => b.score - a.score).slice(0, capacity));
      expect(best.offered).toBe(offered);
    }
  });
});
