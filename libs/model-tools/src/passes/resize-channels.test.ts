import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { OnnxModel } from '../graph.js';
import type { FloatTensor } from '../tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from '../testing/small-models.js';
import { resizeChannels } from './resize-channels.js';

const input = noise([1, 3, 5, 5], 5);

/** Zeros in place of the weights of some positions of an axis. */
function withZeros(tensor: FloatTensor, axis: 0 | 1, positions: readonly number[]): FloatTensor {
  const inner = tensor.values.length / tensor.dims.slice(0, axis + 1).reduce((product, dim) => product * dim, 1);
  const length = tensor.dims[axis] ?? 1;
  const values = tensor.values.map((value, index) =>
    positions.includes(Math.floor(index / inner) % length) ? 0 : value,
  );
  return { ...tensor, values };
}

interface Block {
  readonly channels: number;
  /** Channels that the last convolution does not read. */
  readonly unread?: readonly number[];
  /** Channels of which the first convolution makes a constant. */
  readonly unwritten?: readonly number[];
  /** Channels of which the depthwise convolution makes a constant. */
  readonly constant?: readonly number[];
  readonly padded?: boolean;
}

/** The bottleneck of a MobileFaceNet: to many channels, each on its own, to few, added to what came in. */
function bottleneck({ channels, unread = [], unwritten = [], constant = [], padded = true }: Block): OnnxModel {
  const pads = padded ? [1, 1, 1, 1] : [0, 0, 0, 0];
  return modelOf({
    input: [1, 3, 5, 5],
    nodes: [
      conv('x', 'a'),
      node('PRelu', ['a', 'slope1'], ['a1']),
      conv('a1', 'd', { group: channels, pads }),
      node('PRelu', ['d', 'slope2'], ['d1']),
      conv('d1', 'b'),
      ...(padded ? [node('Add', ['b', 'x'], ['y'])] : [node('Relu', ['b'], ['y'])]),
    ],
    constants: {
      'a.w': withZeros(noise([channels, 3, 1, 1], 1), 0, unwritten),
      'a.b': noise([channels], 2),
      slope1: noise([channels, 1, 1], 3),
      'd.w': withZeros(noise([channels, 1, 3, 3], 4), 0, constant),
      'd.b': noise([channels], 5),
      slope2: noise([channels, 1, 1], 6),
      'b.w': withZeros(noise([3, channels, 1, 1], 7), 1, unread),
      'b.b': noise([3], 8),
    },
    outputs: { y: [1, 3, 'h', 'w'] },
  });
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

async function resized(before: OnnxModel): Promise<{ channels: number | undefined; difference: number }> {
  const { model: after } = resizeChannels.apply(before);
  const difference = differenceOf(await answerOf(before, input), await answerOf(after, input));
  return { channels: after.constants.get('a.w')?.dims[0], difference };
}

test.each<[string, Block, number]>([
  ['that nobody reads', { channels: 48, unread: range(3, 20) }, 32],
  ['of which the depthwise convolution makes a constant', { channels: 48, constant: range(0, 16) }, 32],
  ['that are constant, where no kernel sees padding', { channels: 48, unwritten: range(10, 40), padded: false }, 32],
  ['that nobody needs, but never all', { channels: 32, unread: range(0, 32) }, 16],
  ['to the multiple of the block above', { channels: 48, unread: range(3, 8) }, 48],
])('removes channels %s', async (_, block, channels) => {
  const result = await resized(bottleneck(block));
  expect(result.channels).toBe(channels);
  expect(result.difference).toBeLessThan(5e-6);
});

test('a constant that becomes a border where a padded kernel sees it must stay', async () => {
  const { channels, difference } = await resized(bottleneck({ channels: 32, unwritten: range(0, 20) }));
  expect([channels, difference]).toEqual([32, 0]);
});

test('fills up to a multiple of the block, when that is little', async () => {
  for (const [channels, filled] of [
    [13, 16],
    [26, 32],
    [20, 20],
    [8, 8],
  ] as const) {
    const result = await resized(bottleneck({ channels }));
    expect(result.channels).toBe(filled);
    expect(result.difference).toBeLessThan(5e-6);
  }
});

test('any pattern of dead channels gives the same answer', async () => {
  const channels = 40;
  const some = fc.uniqueArray(fc.nat(channels - 1), { maxLength: channels });
  await fc.assert(
    fc.asyncProperty(some, some, some, fc.boolean(), async (unread, unwritten, constant, padded) => {
      const result = await resized(bottleneck({ channels, unread, unwritten, constant, padded }));
      expect(result.difference).toBeLessThan(1e-5);
      expect([16, 32, 40, 48]).toContain(result.channels);
    }),
    { numRuns: 40 },
  );
});

test('what lies on a chain of dead channels goes too, and channels that meet in a sum go together', async () => {
  const before = modelOf({
    input: [1, 3, 5, 5],
    nodes: [
      conv('x', 'a'),
      node('Relu', ['a'], ['a1']),
      conv('a1', 'b'),
      conv('a1', 'c'),
      node('Add', ['b', 'c'], ['s']),
      node('Relu', ['s'], ['s1']),
      conv('s1', 'y'),
    ],
    constants: {
      'a.w': noise([32, 3, 1, 1], 1),
      'a.b': noise([32], 2),
      // Only the first 16 of b and c read the last 16 of a, and y reads the last 16 of them alone.
      'b.w': withZeros(noise([32, 32, 1, 1], 3), 1, range(0, 16)),
      'b.b': noise([32], 4),
      'c.w': withZeros(noise([32, 32, 1, 1], 5), 1, range(0, 16)),
      'c.b': noise([32], 6),
      'y.w': withZeros(noise([4, 32, 1, 1], 7), 1, range(0, 16)),
      'y.b': noise([4], 8),
    },
    outputs: { y: [1, 4, 5, 5] },
  });
  const { model: after, counts } = resizeChannels.apply(before);
  expect(counts).toEqual({ removed: 32, added: 0 });
  expect(['a.w', 'b.w', 'c.w', 'y.w'].map((name) => after.constants.get(name)?.dims.slice(0, 2))).toEqual([
    [16, 3],
    [16, 16],
    [16, 16],
    [4, 16],
  ]);
  expect(differenceOf(await answerOf(before, input), await answerOf(after, input))).toBeLessThan(5e-6);
});

test.each([
  ['an output', [], { a1: [1, 32, 5, 5] }],
  ['an operator that is not known to keep channels apart', [node('Softmax', ['a1'], ['y'])], { y: [1, 32, 5, 5] }],
  [
    'a sum with something of other channels',
    [conv('x', 'o'), node('Mul', ['a1', 'o'], ['t']), conv('t', 'y')],
    { y: [1, 4, 5, 5] },
  ],
])('channels that reach %s stay', (_, nodes, outputs) => {
  const before = modelOf({
    input: [1, 3, 5, 5],
    nodes: [conv('x', 'a'), node('Relu', ['a'], ['a1']), conv('a1', 'z'), ...nodes],
    constants: {
      'a.w': noise([32, 3, 1, 1], 1),
      'a.b': noise([32], 2),
      'z.w': withZeros(noise([4, 32, 1, 1], 7), 1, range(0, 20)),
      'z.b': noise([4], 8),
      'o.w': noise([1, 3, 1, 1], 9),
      'o.b': noise([1], 10),
      'y.w': withZeros(noise([4, 32, 1, 1], 11), 1, range(0, 20)),
      'y.b': noise([4], 12),
    },
    outputs,
  });
  expect(resizeChannels.apply(before).counts).toEqual({ removed: 0, added: 0 });
});
