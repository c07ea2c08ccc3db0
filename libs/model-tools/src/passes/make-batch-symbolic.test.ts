import { expect, test } from 'vitest';

import { integerAttributes } from '../attributes.js';
import type { GraphNode } from '../graph.js';
import { floatTensor, integerTensor, type Tensor } from '../tensor.js';
import { answerOf, conv, modelOf, node, noise } from '../testing/small-models.js';
import { makeBatchSymbolic } from './make-batch-symbolic.js';

const SHAPE = [1, 4, 3, 3];
const one = noise(SHAPE, 1);
const other = noise(SHAPE, 2);
const both = floatTensor([2, 4, 3, 3], [...one.values, ...other.values]);

const constants: Readonly<Record<string, Tensor>> = {
  'c.w': noise([4, 4, 1, 1], 3),
  'c.b': noise([4], 4),
  flat: integerTensor([2], [1n, -1n]),
  open: integerTensor([2], [-1n, 36n]),
  whole: integerTensor([1], [36n]),
  zero: integerTensor([], [0n]),
  first: integerTensor([1], [0n]),
  four: integerTensor([1], [4n]),
  rest: integerTensor([1], [-1n]),
  matrix: noise([36, 3], 5),
  prior: noise([1, 36], 6),
  perItem: noise([3, 36], 7),
};

function model(nodes: readonly GraphNode[], output: readonly number[]) {
  return modelOf({ input: SHAPE, nodes, constants, outputs: { y: output } });
}

const flatten = node('Reshape', ['c', 'flat'], ['f']);
const head = [conv('x', 'c'), flatten];

test.each<[string, readonly GraphNode[], readonly number[]]>([
  ['a constant shape', [...head, node('MatMul', ['f', 'matrix'], ['y'])], [1, 3]],
  ['an open first dimension', [conv('x', 'c'), node('Reshape', ['c', 'open'], ['y'])], [1, 36]],
  [
    'a shape that is computed from the batch',
    [
      conv('x', 'c'),
      node('Shape', ['c'], ['shape']),
      node('Gather', ['shape', 'zero'], ['count'], integerAttributes({ axis: 0 })),
      node('Unsqueeze', ['count', 'first'], ['counts']),
      node('Concat', ['counts', 'rest', 'four'], ['target'], integerAttributes({ axis: 0 })),
      node('Reshape', ['c', 'target'], ['r']),
      node('Softmax', ['r'], ['y'], integerAttributes({ axis: 2 })),
    ],
    [1, 9, 4],
  ],
  [
    'branches, transposition and arithmetic with constants',
    [
      ...head,
      node('Transpose', ['x'], ['t'], integerAttributes({ perm: [0, 2, 3, 1] })),
      node('Flatten', ['t'], ['g']),
      node('Mul', ['g', 'prior'], ['p']),
      node('Concat', ['f', 'p'], ['y'], integerAttributes({ axis: 1 })),
    ],
    [1, 72],
  ],
])('a model with %s takes several inputs at once and answers each as alone', async (_, nodes, output) => {
  const before = model(nodes, output);
  const { model: after, counts } = makeBatchSymbolic.apply(before);
  expect(counts.inputs).toBe(1);
  const alone = [...(await answerOf(before, one)), ...(await answerOf(before, other))];
  expect([...(await answerOf(after, one)), ...(await answerOf(after, other))]).toEqual(alone);
  expect([...(await answerOf(after, both))]).toEqual(alone);
});

test.each<[string, readonly GraphNode[], readonly number[]]>([
  ['mixes the items', [node('ReduceMax', ['x'], ['y'], integerAttributes({ axes: [0] }))], [1, 4, 3, 3]],
  ['loses the batch', [node('Reshape', ['x', 'whole'], ['y'])], [36]],
  ['moves the batch', [node('Transpose', ['x'], ['y'], integerAttributes({ perm: [1, 0, 2, 3] }))], [4, 1, 3, 3]],
  ['joins items', [node('Concat', ['x', 'x'], ['y'], integerAttributes({ axis: 0 }))], [2, 4, 3, 3]],
  ['compares the items', [node('Softmax', ['x'], ['y'], integerAttributes({ axis: -4 }))], [1, 4, 3, 3]],
  ['has a constant for each item', [...head, node('Add', ['f', 'perItem'], ['y'])], [3, 36]],
  ['has an operator that is not known', [node('Erf', ['x'], ['y'])], [1, 4, 3, 3]],
])('a model that %s is left as it is', (_, nodes, output) => {
  const before = model(nodes, output);
  expect(makeBatchSymbolic.apply(before)).toEqual({ model: before, counts: { inputs: 0, reshapes: 0 } });
});
