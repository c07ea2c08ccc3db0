import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { GraphNode, OnnxModel } from '../graph.js';
import { floatTensor, type FloatTensor } from '../tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from '../testing/small-models.js';
import { rewritePrelu } from './rewrite-prelu.js';

const CHANNELS = 6;
const input = noise([1, 3, 6, 6], 5);

/** Conv, PRelu, and whatever reads it. */
function model(slopes: FloatTensor, readers: readonly GraphNode[], output: string): OnnxModel {
  return modelOf({
    input: [1, 3, 6, 6],
    nodes: [conv('x', 'y', { pads: [1, 1, 1, 1] }), node('PRelu', ['y', 'slopes'], ['z']), ...readers],
    constants: {
      slopes,
      'y.w': noise([CHANNELS, 3, 3, 3], 1),
      'y.b': noise([CHANNELS], 2),
      'd.w': noise([CHANNELS, 1, 3, 3], 3),
      'd.b': noise([CHANNELS], 4),
      'm.w': noise([4, CHANNELS, 1, 1], 5),
      'm.b': noise([4], 6),
      'g.w': noise([4, 3, 1, 1], 7),
      'g.b': noise([4], 8),
    },
    outputs: { [output]: [1, 'c', 'h', 'w'] },
  });
}

const depthwise = conv('z', 'd', { group: CHANNELS, pads: [1, 1, 1, 1], strides: [2, 2] });
const mixing = conv('z', 'm');
const grouped = conv('z', 'g', { group: 2 });
const perChannel = (slopes: readonly number[]): FloatTensor => floatTensor([CHANNELS, 1, 1], slopes);
const ordinary = perChannel([0.25, -0.5, 0, 0.9, 0.1, 0.3]);
const operators = ({ nodes }: OnnxModel): string => nodes.map(({ opType }) => opType).join(' ');

test.each([
  ['a depthwise convolution reads it', ordinary, [depthwise], 'd', 'Conv Relu Conv Add Conv'],
  ['a convolution reads it', ordinary, [mixing], 'm', 'Conv Relu Conv Add Conv'],
  ['a grouped convolution reads it', ordinary, [grouped], 'g', 'Conv Relu Conv Add Conv'],
  ['several convolutions read it', ordinary, [depthwise, mixing, node('GlobalMaxPool', ['d'], ['p'])], 'm', undefined],
  ['nobody inside reads it', ordinary, [], 'z', 'Conv Relu Conv Add'],
  ['another operator reads it too', ordinary, [mixing, node('Tanh', ['z'], ['t'])], 't', undefined],
  ['there is one slope for all channels', floatTensor([1], [0.2]), [mixing], 'm', 'Conv Relu Conv Add Conv'],
  [
    'slopes are 1 and above, and a convolution reads it',
    perChannel([1, 1.2, 1 + 2 ** -23, 3, -2, 0.5]),
    [mixing],
    'm',
    undefined,
  ],
])('PRelu is gone and the answer the same, when %s', async (_, slopes, readers, output, expected) => {
  const before = model(slopes, readers, output);
  const { model: after, counts } = rewritePrelu.apply(before);
  expect(counts).toEqual({ folded: 1, left: 0 });
  if (expected !== undefined) expect(operators(after)).toBe(expected);
  expect(differenceOf(await answerOf(before, input), await answerOf(after, input))).toBeLessThan(5e-6);
});

test('any slopes give the same answer', async () => {
  const slope = fc.float({ min: -3, max: 3, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(slope, { minLength: CHANNELS, maxLength: CHANNELS }), async (slopes) => {
      const before = model(perChannel(slopes), [depthwise], 'd');
      const { model: after } = rewritePrelu.apply(before);
      expect(differenceOf(await answerOf(before, input), await answerOf(after, input))).toBeLessThan(2e-5);
    }),
    { numRuns: 25 },
  );
});

test('a slope above 1 that no reader can absorb, or one a pixel, leaves the node as it is', () => {
  const steep = model(perChannel([0.2, 0.2, 1.5, 0.2, 0.2, 0.2]), [], 'z');
  const pixels = model(noise([CHANNELS, 6, 6], 9), [mixing], 'm');
  const columns = model(noise([CHANNELS], 9), [mixing], 'm');
  for (const before of [steep, pixels, columns]) {
    const { model: after, counts } = rewritePrelu.apply(before);
    expect(counts).toEqual({ folded: 0, left: 1 });
    expect(after.nodes).toEqual(before.nodes);
  }
});

test('weights that two convolutions share are scaled for the one that reads the PRelu alone', async () => {
  const shared = { ...conv('y', 'other'), inputs: ['y', 'm.w', 'm.b'] };
  const before = model(ordinary, [mixing, shared, node('Add', ['m', 'other'], ['sum'])], 'sum');
  const { model: after } = rewritePrelu.apply(before);
  expect(differenceOf(await answerOf(before, input), await answerOf(after, input))).toBeLessThan(5e-6);
});
