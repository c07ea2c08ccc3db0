import type { OnnxModel } from '../graph.js';
import type { ProofInput } from '../run-model.js';
import { floatTensor, type FloatTensor } from '../tensor.js';
import { conv, modelOf, node, noise } from './small-models.js';

const SHAPE = [1, 3, 8, 8];

/** Inputs that {@link redundantModel} takes. */
export function redundantInputs(count: number): readonly ProofInput[] {
  return Array.from({ length: count }, (_, seed) => [{ shape: SHAPE, values: noise(SHAPE, seed + 1).values }]);
}

/**
 * A small net with a residual connection, in which the last 16 of 48 channels of `a` are twice the first 16: the
 * net loses nothing without them once the reader's weights make up for it.
 */
export function redundantModel(): OnnxModel {
  const own = noise([32, 3, 3, 3], 1).values;
  const doubled = own.subarray(0, 16 * 27).map((weight) => weight * 2);
  const weights = (shape: readonly number[], seed: number): FloatTensor => noise(shape, seed);
  return modelOf({
    input: SHAPE,
    nodes: [
      conv('x', 's', { pads: [1, 1, 1, 1] }),
      conv('x', 'a', { pads: [1, 1, 1, 1] }),
      node('Relu', ['a'], ['ar']),
      conv('ar', 'b', { pads: [1, 1, 1, 1], group: 48 }),
      conv('b', 'c'),
      node('Add', ['s', 'c'], ['sum']),
      node('Relu', ['sum'], ['sr']),
      conv('sr', 'd', { strides: [2, 2] }),
      node('Flatten', ['d'], ['y']),
    ],
    constants: {
      's.w': weights([16, 3, 3, 3], 2),
      's.b': weights([16], 3),
      'a.w': floatTensor([48, 3, 3, 3], [...own, ...doubled]),
      'a.b': floatTensor([48], new Float32Array(48)),
      ...redundantRest(weights),
    },
    outputs: { y: [1, 128] },
  });
}

function redundantRest(weights: (shape: readonly number[], seed: number) => FloatTensor): Record<string, FloatTensor> {
  const kernels = noise([32, 1, 3, 3], 4).values;
  return {
    'b.w': floatTensor([48, 1, 3, 3], [...kernels, ...kernels.subarray(0, 16 * 9)]),
    'b.b': floatTensor([48], new Float32Array(48)),
    'c.w': weights([16, 48, 1, 1], 5),
    'c.b': weights([16], 6),
    'd.w': weights([8, 16, 1, 1], 7),
    'd.b': weights([8], 8),
  };
}
