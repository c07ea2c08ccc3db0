import { expect, test } from 'vitest';

import { writeModel } from '../model-file.js';
import type { ProofInput } from '../run-model.js';
import { floatTensor } from '../tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from '../testing/small-models.js';
import { channelStatistics } from './channel-statistics.js';
import { equaliseChannels } from './equalise-channels.js';

const SHAPE = [1, 3, 6, 6];
const CHANNELS = 8;
const input = noise(SHAPE, 9);
const inputs: readonly ProofInput[] = [1, 2, 3].map((seed) => [{ shape: SHAPE, values: noise(SHAPE, seed).values }]);

/** Weights whose output k is larger by 4 to the k-th. */
const uneven = (shape: readonly number[], seed: number) => {
  const { values } = noise(shape, seed);
  const size = values.length / (shape[0] ?? 1);
  return floatTensor(
    shape,
    values.map((value, index) => value * 4 ** Math.floor(index / size)),
  );
};

const model = modelOf({
  input: SHAPE,
  nodes: [
    conv('x', 'a'),
    node('PRelu', ['a', 'slopes'], ['b']),
    conv('b', 'd', { group: CHANNELS, pads: [1, 1, 1, 1] }),
    node('Relu', ['d'], ['e']),
    node('Add', ['b', 'e'], ['f']),
    conv('f', 'y'),
  ],
  constants: {
    'a.w': uneven([CHANNELS, 3, 1, 1], 1),
    'a.b': noise([CHANNELS], 2),
    slopes: floatTensor([CHANNELS, 1, 1], noise([CHANNELS], 7).values),
    'd.w': noise([CHANNELS, 1, 3, 3], 3),
    'd.b': noise([CHANNELS], 4),
    'y.w': noise([2, CHANNELS, 1, 1], 5),
    'y.b': noise([2], 6),
  },
  outputs: { y: [1, 2, 6, 6] },
});

const statisticsOf = async (of: typeof model, values: readonly string[]) =>
  (await channelStatistics(writeModel(of), values, { inputs: () => inputs })).statistics;
const spread = (amplitudes: Float64Array | undefined): number =>
  Math.max(...(amplitudes ?? [])) / Math.min(...(amplitudes ?? []));

test('channels come nearer to each other, through PRelu, depthwise convolutions and sums, and the answer stays', async () => {
  const values = ['x', 'a', 'e', 'f'];
  const before = await statisticsOf(model, values);
  const { model: equalised, factors } = equaliseChannels(model, before);
  const after = await statisticsOf(equalised, values);
  for (const value of ['a', 'e', 'f']) {
    expect(spread(after.get(value)?.amplitudes)).toBeLessThan(spread(before.get(value)?.amplitudes) / 10);
    const [own, old, now] = [factors.get(value), before.get(value), after.get(value)];
    now?.highs.forEach((high, channel) => {
      expect(high / ((old?.highs[channel] ?? 0) * (own?.[channel] ?? 0))).toBeCloseTo(1, 4);
    });
  }
  expect(factors.get('x')).toBeUndefined();
  const answer = await answerOf(model, input);
  expect(differenceOf(answer, await answerOf(equalised, input))).toBeLessThan(1e-4 * Math.max(...answer.map(Math.abs)));
});

test('values that an operation bends, or that are outputs, keep their channels', async () => {
  const bent = {
    ...model,
    nodes: model.nodes.map((one) => (one.opType === 'Relu' ? { ...one, opType: 'Tanh' } : one)),
  };
  const { factors } = equaliseChannels(bent, await statisticsOf(bent, ['a', 'e', 'f']));
  expect([...factors.keys()]).toEqual([]);
  const open = {
    ...model,
    outputs: [...model.outputs, ...modelOf({ input: [], nodes: [], outputs: { b: [] } }).outputs],
  };
  expect([...equaliseChannels(open, await statisticsOf(model, ['a', 'e', 'f'])).factors.keys()]).toEqual([]);
});
