import { describe, expect, it } from 'vitest';

import { ReconnectPolicy } from './reconnect-policy.js';

const bounds = { baseMs: 5000, capMs: 60_000 };
const failed = { lastedMs: 10, refused: false };

/** Uniform in [0, 1), the same in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    // Numerical Recipes' linear congruential generator: good enough to spread a fleet.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** When each of a fleet's attempts arrives, ms, from the moment at which all lost their broker. */
function arrivals(boxes: number, outageMs: number): readonly number[] {
  const times: number[] = [];
  for (let box = 0; box < boxes; box += 1) {
    const random = seeded(box * 7919 + 1);
    random();
    const policy = new ReconnectPolicy(bounds, random);
    let nowMs = policy.delayMs({ lastedMs: 3_600_000, refused: false });
    times.push(nowMs);
    while (nowMs < outageMs) times.push((nowMs += policy.delayMs(failed)));
  }
  return times;
}

/** Attempts in the busiest second from a moment on. */
function busiestSecond(times: readonly number[], fromMs: number): number {
  const seconds = new Map<number, number>();
  for (const time of times) {
    if (time < fromMs) continue;
    const second = Math.floor((time - fromMs) / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  return Math.max(...seconds.values());
}

describe('the delay before the next connection', () => {
  it('is anything up to a bound that doubles from attempt to attempt until its cap', () => {
    const longest = new ReconnectPolicy(bounds, () => 1);
    expect(Array.from({ length: 6 }, () => longest.delayMs(failed))).toEqual([
      5000, 10_000, 20_000, 40_000, 60_000, 60_000,
    ]);
    const shortest = new ReconnectPolicy(bounds, () => 0);
    expect(shortest.delayMs(failed)).toBe(0);
  });

  it('starts anew after a connection that lasted, and not after one that was ended at once', () => {
    const policy = new ReconnectPolicy(bounds, () => 1);
    for (let attempt = 0; attempt < 4; attempt += 1) policy.delayMs(failed);
    expect(policy.delayMs({ lastedMs: 30_000, refused: false })).toBe(60_000);
    expect(policy.delayMs({ lastedMs: 61_000, refused: false })).toBe(5000);
    expect(policy.delayMs(failed)).toBe(5000);
  });

  it('is long for who was refused, however short the bounds are', () => {
    const policy = new ReconnectPolicy({ baseMs: 20, capMs: 100 }, () => 0);
    const delays = Array.from({ length: 7 }, () => policy.delayMs({ lastedMs: 10, refused: true }));
    expect(delays).toEqual([5000, 10_000, 20_000, 40_000, 80_000, 150_000, 150_000]);
    policy.reset();
    expect(policy.delayMs({ lastedMs: 10, refused: true })).toBe(5000);
  });

  it.each([
    ['at once', 0, 300],
    ['after half a minute', 30_000, 150],
    ['after an hour', 3_600_000, 60],
  ])('spreads a thousand boxes whose broker comes back %s', (_, outageMs, bound) => {
    const times = arrivals(1000, outageMs);
    const busiest = busiestSecond(times, outageMs);
    expect(busiest).toBeLessThan(bound);
    // Every box is back within the longest delay.
    expect(times.reduce((last, time) => Math.max(last, time), 0)).toBeLessThanOrEqual(outageMs + bounds.capMs);
  });
});
