import { expect, test } from 'vitest';

import { apcer, areaUnderCurve, bpcer, thresholdAtBpcer } from './rates.js';

const live = [0.9, 0.8, 0.4, 0.95];
const attack = [0.1, 0.4, 0.85];

test('errors are counted on either side of the threshold, which itself passes', () => {
  expect([bpcer(live, 0.8), apcer(attack, 0.4)]).toEqual([1 / 4, 2 / 3]);
  expect([bpcer(live, 0), apcer(attack, 1)]).toEqual([0, 0]);
});

test('a threshold keeps to the share of living people that it may cost', () => {
  for (const share of [0, 0.25, 0.5]) {
    expect(bpcer(live, thresholdAtBpcer(live, share))).toBeLessThanOrEqual(share);
  }
  expect(thresholdAtBpcer(live, 0.25)).toBe(0.8);
});

test('the area under the curve is the share of pairs in order, ties counting half', () => {
  expect(areaUnderCurve(live, attack)).toBeCloseTo((3 + 2 + 1.5 + 3) / 12);
  expect(areaUnderCurve([0.5, 0.5], [0.5])).toBe(0.5);
  expect(areaUnderCurve([1], [0])).toBe(1);
});
