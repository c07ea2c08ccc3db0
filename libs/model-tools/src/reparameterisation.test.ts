import { expect, test } from 'vitest';

import { integerAttributes } from './attributes.js';
import type { GraphNode, OnnxModel } from './graph.js';
import { readModel, writeModel } from './model-file.js';
import type { ProofInput } from './run-model.js';
import { reparameteriseModel } from './reparameterisation.js';
import { floatTensor, type Tensor } from './tensor.js';
import { conv, modelOf, node, noise } from './testing/small-models.js';

const SHAPE = [1, 8, 6, 6];
const inputs: readonly ProofInput[] = [1, 2, 3].map((seed) => [{ shape: SHAPE, values: noise(SHAPE, seed).values }]);

/** A normalisation named by its output, and its constants. */
function normalised(input: string, output: string): GraphNode {
  const names = ['gamma', 'beta', 'mean', 'variance'].map((name) => `${output}.${name}`);
  return node('BatchNormalization', [input, ...names], [output]);
}

function statistics(output: string, channels: number, seed: number): Record<string, Tensor> {
  return {
    [`${output}.gamma`]: noise([channels], seed),
    [`${output}.beta`]: noise([channels], seed + 1),
    [`${output}.mean`]: noise([channels], seed + 2),
    [`${output}.variance`]: floatTensor(
      [channels],
      noise([channels], seed + 3).values.map((value) => 1.2 + value),
    ),
  };
}

function weights(output: string, shape: readonly number[], seed: number): Record<string, Tensor> {
  return { [`${output}.w`]: noise(shape, seed), [`${output}.b`]: noise(shape.slice(0, 1), seed + 1) };
}

function typesOf(bytes: Uint8Array): readonly string[] {
  return readModel(bytes).nodes.map(({ opType }) => opType);
}

/** Two blocks of RepVGG: the second halves the resolution, so that it has no identity. */
function repVgg(groups: number): OnnxModel {
  const square = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: groups };
  return modelOf({
    input: SHAPE,
    nodes: [
      conv('x', 'a', square),
      conv('x', 'b', { group: groups }),
      normalised('a', 'an'),
      normalised('b', 'bn'),
      normalised('x', 'xn'),
      node('Add', ['an', 'bn'], ['ab']),
      node('Add', ['ab', 'xn'], ['abx']),
      node('Relu', ['abx'], ['r']),
      conv('r', 'c', { ...square, strides: [2, 2] }),
      conv('r', 'd', { strides: [2, 2], group: groups }),
      normalised('c', 'cn'),
      normalised('d', 'dn'),
      node('Sum', ['cn', 'dn'], ['cd']),
      node('Relu', ['cd'], ['y']),
    ],
    constants: {
      ...weights('a', [8, 8 / groups, 3, 3], 1),
      ...weights('b', [8, 8 / groups, 1, 1], 3),
      ...weights('c', [16, 8 / groups, 3, 3], 5),
      ...weights('d', [16, 8 / groups, 1, 1], 7),
      ...statistics('an', 8, 10),
      ...statistics('bn', 8, 20),
      ...statistics('xn', 8, 30),
      ...statistics('cn', 16, 40),
      ...statistics('dn', 16, 50),
    },
    outputs: { y: [1, 16, 3, 3] },
  });
}

test.each([1, 4, 8])('blocks of RepVGG become one convolution each (%i groups)', async (groups) => {
  const { bytes, report } = await reparameteriseModel(writeModel(repVgg(groups)), { inputs });
  expect(typesOf(bytes)).toEqual(['Conv', 'Relu', 'Conv', 'Relu']);
  expect(report.passes.map(({ counts }) => counts)).toContainEqual({ blocks: 2, branches: 5 });
  expect(report.proof?.outputs[0]?.largestValue).toBeGreaterThan(0.5);
  expect(report.proof?.outputs[0]?.largestDifference).toBeLessThan(1e-5);
});

test('kernels of other shapes are set where they looked; the value itself is a term as it is', async () => {
  const model = modelOf({
    input: SHAPE,
    nodes: [
      conv('x', 'tall', { kernel_shape: [3, 1], pads: [1, 0, 1, 0] }),
      conv('x', 'wide', { kernel_shape: [1, 5], pads: [0, 1, 0, 3] }),
      node('Add', ['x', 'tall'], ['one']),
      node('Add', ['one', 'wide'], ['sum']),
      normalised('sum', 'y'),
    ],
    constants: {
      ...weights('tall', [8, 8, 3, 1], 1),
      ...weights('wide', [8, 8, 1, 5], 3),
      ...statistics('y', 8, 5),
    },
    outputs: { y: SHAPE },
  });
  const { bytes, report } = await reparameteriseModel(writeModel(model), { inputs });
  expect(typesOf(bytes)).toEqual(['Conv']);
  expect([...readModel(bytes).constants.values()].map(({ dims }) => dims)).toContainEqual([8, 8, 3, 5]);
  expect(report.proof?.outputs[0]?.largestDifference).toBeLessThan(1e-5);
});

test('branches of two values become two convolutions, and terms that are no branches stay', async () => {
  const model = modelOf({
    input: SHAPE,
    nodes: [
      node('Relu', ['x'], ['r']),
      node('Tanh', ['x'], ['t']),
      ...['a', 'b'].map((name) => conv('x', name)),
      ...['c', 'd'].map((name) => conv('r', name)),
      node('Sum', ['a', 'c', 't', 'd', 'b'], ['y']),
    ],
    constants: {
      ...weights('a', [8, 8, 1, 1], 1),
      ...weights('b', [8, 8, 1, 1], 3),
      ...weights('c', [8, 8, 1, 1], 5),
      ...weights('d', [8, 8, 1, 1], 7),
    },
    outputs: { y: SHAPE },
  });
  const { bytes, report } = await reparameteriseModel(writeModel(model), { inputs });
  expect([...typesOf(bytes)].sort()).toEqual(['Add', 'Add', 'Conv', 'Conv', 'Relu', 'Tanh']);
  expect(report.proof?.outputs[0]?.largestDifference).toBeLessThan(1e-5);
});

test.each([0, 1])('a normalisation behind a matrix product goes into it (transB %i)', async (transB) => {
  const model = modelOf({
    input: SHAPE,
    nodes: [
      node('Flatten', ['x'], ['flat']),
      node('Gemm', ['flat', 'g.w', 'g.b'], ['g'], integerAttributes({ transB })),
      normalised('g', 'gn'),
      node('Gemm', ['gn', 'h.w'], ['h']),
      normalised('h', 'y'),
    ],
    constants: {
      ...weights('g', transB === 1 ? [5, 288] : [288, 5], 1),
      'g.b': noise([1, 5], 2),
      'h.w': noise([5, 3], 3),
      ...statistics('gn', 5, 4),
      ...statistics('y', 3, 8),
    },
    outputs: { y: [1, 3] },
  });
  const { bytes, report } = await reparameteriseModel(writeModel(model), { inputs });
  expect(typesOf(bytes)).toEqual(['Flatten', 'Gemm', 'Gemm']);
  expect(report.proof?.outputs[0]?.largestDifference).toBeLessThan(1e-4);
});

test.each<[string, readonly GraphNode[], readonly number[]]>([
  ['neither', [conv('x', 'a', { pads: [1, 1, 1, 1] }), node('Relu', ['a'], ['y'])], SHAPE],
  [
    'branches that look at other places',
    [
      conv('x', 'a', { pads: [2, 2, 0, 0] }),
      conv('x', 'b', { dilations: [2, 2], pads: [2, 2, 2, 2] }),
      node('Add', ['a', 'b'], ['y']),
    ],
    SHAPE,
  ],
  [
    'a branch that others read',
    [conv('x', 'a', { pads: [1, 1, 1, 1] }), node('Add', ['a', 'x'], ['s']), node('Mul', ['s', 'a'], ['y'])],
    SHAPE,
  ],
  [
    'a residual connection over two layers',
    [conv('x', 'a', { pads: [1, 1, 1, 1] }), conv('a', 'b', { pads: [1, 1, 1, 1] }), node('Add', ['x', 'b'], ['y'])],
    SHAPE,
  ],
])('a model with %s is returned as it is', async (_, nodes, shape) => {
  const constants = { ...weights('a', [8, 8, 3, 3], 1), ...weights('b', [8, 8, 3, 3], 3) };
  const source = writeModel(modelOf({ input: SHAPE, nodes, constants, outputs: { y: shape } }));
  const { bytes, report } = await reparameteriseModel(source, { inputs });
  expect(bytes).toBe(source);
  expect(report.proof).toBeUndefined();
});

test('what is no model is refused, and an abort ends the proof', async () => {
  await expect(reparameteriseModel(new Uint8Array(8), { inputs })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(reparameteriseModel(writeModel(repVgg(1)), { inputs, signal })).rejects.toThrow('enough');
});
