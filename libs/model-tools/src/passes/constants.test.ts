import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';

import type { GraphNode } from '../graph.js';
import { encodeTensor, floatTensor, integerTensor } from '../tensor.js';
import { answerOf, conv, differenceOf, floatValue, modelOf, node, noise } from '../testing/small-models.js';
import { flushNegligibleWeights } from './flush-negligible-weights.js';
import { gatherConstants } from './gather-constants.js';
import { stripUnused } from './strip-unused.js';

const input = noise([1, 2, 2, 2], 1);

test('weights that are nothing beside others become zero, and no others', async () => {
  const weights = [1e-16, -3e-39, 1e-15, -0.5, 0, 2, 1e-30, -1e-14];
  const model = modelOf({
    input: [1, 2, 2, 2],
    nodes: [conv('x', 'y')],
    constants: { 'y.w': floatTensor([4, 2, 1, 1], weights), 'y.b': floatTensor([4], [0, 1e-20, 0, 1]) },
    outputs: { y: [1, 4, 2, 2] },
  });
  const { model: flushed, counts } = flushNegligibleWeights.apply(model);
  expect(counts).toEqual({ weights: 4 });
  expect(flushed.constants.get('y.w')).toEqual(floatTensor([4, 2, 1, 1], [0, 0, 1e-15, -0.5, 0, 2, 0, -1e-14]));
  expect(model.constants.get('y.w')).toEqual(floatTensor([4, 2, 1, 1], weights));
  expect(differenceOf(await answerOf(flushed, input), await answerOf(model, input))).toBeLessThan(1e-14);
});

test('Constant nodes become constants of the graph, whatever they hold', async () => {
  const constant = (
    output: string,
    attribute: Parameters<typeof create<typeof AttributeProtoSchema>>[1],
  ): GraphNode => {
    const value = create(AttributeProtoSchema, attribute);
    return node('Constant', [], [output], new Map([[value.name, value]]));
  };
  const { FLOATS, INTS, TENSOR } = AttributeProto_AttributeType;
  const model = modelOf({
    input: [1, 2, 2, 2],
    nodes: [
      constant('a', floatValue('value_float', 3)),
      constant('b', { name: 'value_floats', type: FLOATS, floats: [1, 2] }),
      constant('c', { name: 'value', type: TENSOR, t: encodeTensor('t', floatTensor([1], [4])) }),
      constant('d', { name: 'value_ints', type: INTS, ints: [1n, 8n] }),
      node('Mul', ['x', 'a'], ['xa']),
      node('Mul', ['xa', 'b'], ['xab']),
      node('Add', ['xab', 'c'], ['xabc']),
      node('Reshape', ['xabc', 'd'], ['y']),
    ],
    outputs: { y: [1, 8] },
  });
  const { model: gathered, counts } = gatherConstants.apply(model);
  expect(counts).toEqual({ constants: 4 });
  expect(gathered.constants.get('d')).toEqual(integerTensor([2], [1n, 8n]));
  expect(await answerOf(gathered, input)).toEqual(await answerOf(model, input));
});

test('what nothing uses is left out', async () => {
  const model = modelOf({
    input: [1, 2, 2, 2],
    nodes: [node('Relu', ['x'], ['y']), node('Tanh', ['x'], ['z']), node('Mul', ['z', 'c'], ['zz'])],
    constants: { c: floatTensor([], [2]) },
    outputs: { y: [1, 2, 2, 2] },
  });
  const { model: stripped, counts } = stripUnused.apply({ ...model, otherOpsets: new Map([['com.example', 1]]) });
  expect(counts).toEqual({ nodes: 2, constants: 1, operatorSets: 1 });
  expect(await answerOf(stripped, input)).toEqual(await answerOf(model, input));
});
