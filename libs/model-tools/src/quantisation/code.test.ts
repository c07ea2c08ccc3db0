import fc from 'fast-check';
import { expect, test } from 'vitest';

import { floatTensor } from '../tensor.js';
import { codeOf } from './code.js';
import { quantiseWeights } from './quantise-weights.js';
import { ValueHistogram } from './value-histogram.js';

test('a code tells 0 exactly, and reaches both ends of its range but for half a step', () => {
  const end = fc.double({ min: 0, max: 1e4, noNaN: true });
  fc.assert(
    fc.property(end, end, (below, high) => {
      fc.pre(below + high > 1e-3);
      const { scale, zeroPoint } = codeOf({ low: -below, high });
      expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true);
      expect(scale * (0 - zeroPoint)).toBeLessThanOrEqual(-below + scale * 0.501);
      expect(scale * (255 - zeroPoint)).toBeGreaterThanOrEqual(high - scale * 0.501);
    }),
  );
  expect(codeOf({ low: 0, high: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
});

const weights = floatTensor([2, 3], [0.5, -1, 0.25, 100, 50, -25]);

test('each output has its own scale, and no weight is wrong by more than half of it', () => {
  for (const bits of [7, 8] as const) {
    const { integers, scales } = quantiseWeights({ weights, axis: 0, bias: undefined, inputScale: 1 }, bits);
    const largest = bits === 8 ? 127 : 63;
    expect(Math.max(...integers.map(Math.abs))).toBe(largest);
    expect([...scales]).toEqual([1, 100].map((peak) => Math.fround(peak / largest)));
    weights.values.forEach((weight, index) => {
      const scale = scales[Math.floor(index / 3)] ?? 0;
      expect(Math.abs((integers[index] ?? 0) * scale - weight)).toBeLessThanOrEqual(scale * 0.5001);
    });
  }
});

test('outputs may be counted by the last axis', () => {
  const { scales } = quantiseWeights({ weights, axis: 1, bias: undefined, inputScale: 1 }, 8);
  expect([...scales]).toEqual([100, 50, 25].map((peak) => Math.fround(peak / 127)));
});

test('a bias that would not fit into 32 bits gets larger scales, for its output alone', () => {
  const bias = floatTensor([2], [3000, 1]);
  const { bias: coded, scales } = quantiseWeights({ weights, axis: 0, bias, inputScale: 1e-6 }, 8);
  expect(scales[0]).toBeGreaterThan(1 / 127);
  expect(scales[1]).toBe(Math.fround(100 / 127));
  coded?.forEach((value, output) => {
    expect(Math.abs(value)).toBeLessThanOrEqual(2 ** 30);
    expect(value * 1e-6 * (scales[output] ?? 0)).toBeCloseTo(bias.values[output] ?? 0, 4);
  });
});

/** Numbers of a bell-shaped spread with one far away. */
const bell = Float32Array.from({ length: 20_000 }, (_, index) => {
  const share = (index + 0.5) / 20_000;
  return Math.log(share / (1 - share)); // the logistic distribution's quantiles
});
const seen = Float32Array.of(...bell, 200);

function histogramOf(values: Float32Array, negativeWeight = 1): ValueHistogram {
  const histogram = new ValueHistogram({ low: Math.min(...values), high: Math.max(...values) });
  histogram.add(values, 0, values.length, negativeWeight);
  return histogram;
}

/** The mean squared error of coding values with a range. */
function errorOf(values: Float32Array, range: { low: number; high: number }): number {
  const { scale, zeroPoint } = codeOf(range);
  const coded = (value: number): number => {
    const integer = Math.min(255, Math.max(0, Math.round(value / scale) + zeroPoint));
    return scale * (integer - zeroPoint);
  };
  return values.reduce((sum, value) => sum + (coded(value) - value) ** 2, 0) / values.length;
}

test('the range of least squares is better than all that was seen, and than the percentile', () => {
  const histogram = histogramOf(seen);
  const [all, most, best] = (['minmax', 'percentile', 'mse'] as const).map((method) => histogram.range(method));
  expect(all?.high).toBe(200);
  expect(most?.high).toBeLessThan(10);
  const [ofAll, ofMost, ofBest] = [all, most, best].map((range) => errorOf(seen, range ?? { low: 0, high: 0 }));
  expect(ofBest).toBeLessThan(ofAll ?? 0);
  expect(ofBest).toBeLessThan(ofMost ?? 0);
});

test('evenly spread values are all kept, and zeros do not count', () => {
  const even = Float32Array.from({ length: 5000 }, (_, index) => (index < 2500 ? 0 : index / 5000));
  const range = histogramOf(even).range('mse');
  expect(range.low).toBe(0);
  expect(range.high).toBeGreaterThan(0.97);
});

test('the less values below 0 weigh, the sooner they are cut off', () => {
  const lows = [1, 0.1, 0.01].map((weight) => histogramOf(bell, weight).range('mse').low);
  expect(lows[1]).toBeGreaterThan(lows[0] ?? 0);
  expect(lows[2]).toBeGreaterThan(lows[1] ?? 0);
});
