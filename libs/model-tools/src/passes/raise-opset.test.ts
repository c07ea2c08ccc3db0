import { expect, test } from 'vitest';

import { integerAttributes } from '../attributes.js';
import type { GraphNode } from '../graph.js';
import { answerOf, floatValue, modelOf, node, noise } from '../testing/small-models.js';
import { raiseOpset } from './raise-opset.js';

const input = noise([1, 2, 3, 4], 1);
const limits = new Map(['min', 'max'].map((name) => [name, floatValue(name, name === 'min' ? -0.5 : 0.25)]));

function nine(nodes: readonly GraphNode[], output: readonly (number | string)[]) {
  return modelOf({ opset: 9, input: [1, 2, 3, 4], nodes, outputs: { y: output } });
}

test.each<[string, GraphNode, number[]]>([
  ['Clip', node('Clip', ['x'], ['y'], limits), [1, 2, 3, 4]],
  ['Clip without a lower limit', node('Clip', ['x'], ['y'], new Map([['max', floatValue('max', 0)]])), [1, 2, 3, 4]],
  ['Unsqueeze', node('Unsqueeze', ['x'], ['y'], integerAttributes({ axes: [0, 3] })), [1, 1, 2, 1, 3, 4]],
  ['Squeeze', node('Squeeze', ['x'], ['y'], integerAttributes({ axes: [0] })), [2, 3, 4]],
  ['Squeeze of every axis of one', node('Squeeze', ['x'], ['y']), [2, 3, 4]],
  ['ReduceSum', node('ReduceSum', ['x'], ['y'], integerAttributes({ axes: [1, 2], keepdims: 0 })), [1, 4]],
  ['Slice', node('Slice', ['x'], ['y'], integerAttributes({ starts: [1], ends: [3], axes: [3] })), [1, 2, 3, 2]],
  [
    'Slice of the first axes',
    node('Slice', ['x'], ['y'], integerAttributes({ starts: [0, 1], ends: [1, 2] })),
    [1, 1, 3, 4],
  ],
  ['Softmax over the last axis', node('Softmax', ['x'], ['y'], integerAttributes({ axis: 3 })), [1, 2, 3, 4]],
])('%s means the same in operator set 13', async (_, only, shape) => {
  const before = nine([only], shape);
  const { model: after, counts } = raiseOpset.apply(before);
  expect([after.opset, counts.raisedFrom]).toEqual([13, 9]);
  expect(await answerOf(after, input)).toEqual(await answerOf(before, input));
});

test('Split means the same in operator set 13', async () => {
  const split = node('Split', ['x'], ['a', 'y'], integerAttributes({ axis: 3, split: [1, 3] }));
  const before = nine([split], [1, 2, 3, 3]);
  const { model: after } = raiseOpset.apply(before);
  expect(after.opset).toBe(13);
  expect(await answerOf(after, input)).toEqual(await answerOf(before, input));
});

test.each<[string, GraphNode]>([
  ['a softmax over several axes', node('Softmax', ['x'], ['y'], integerAttributes({ axis: 1 }))],
  ['an operator whose changes are not known', node('Upsample', ['x', 'scales'], ['y'])],
])('a model with %s is left as it is', (_, only) => {
  const before = nine([only], [1, 2, 3, 4]);
  expect(raiseOpset.apply(before)).toEqual({ model: before, counts: { raisedFrom: 0, nodesConverted: 0 } });
});

test('a newer model is left as it is', () => {
  const before = { ...nine([node('Relu', ['x'], ['y'])], [1, 2, 3, 4]), opset: 18 };
  expect(raiseOpset.apply(before).model).toBe(before);
});
