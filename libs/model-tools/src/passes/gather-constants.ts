import type { GraphNode } from '../graph.js';
import { decodeTensor, floatTensor, integerTensor, type Tensor } from '../tensor.js';
import type { Pass } from './pass.js';

/** Makes Constant nodes constants of the graph, where the other passes see them. */
export const gatherConstants: Pass = {
  name: 'gather-constants',
  scope: 'constants',
  apply: (model) => {
    const constants = new Map(model.constants);
    const nodes = model.nodes.filter((node) => {
      const value = constantOf(node);
      if (value === undefined) return true;
      constants.set(node.outputs[0] ?? '', value);
      return false;
    });
    // A constant that is an output needs its node.
    const outputs = new Set(model.outputs.map(({ name }) => name));
    if (model.nodes.some((node) => node.opType === 'Constant' && outputs.has(node.outputs[0] ?? ''))) {
      return { model, counts: { constants: 0 } };
    }
    return { model: { ...model, constants, nodes }, counts: { constants: model.nodes.length - nodes.length } };
  },
};

function constantOf({ opType, domain, attributes }: GraphNode): Tensor | undefined {
  if (opType !== 'Constant' || domain !== '' || attributes.size !== 1) return undefined;
  for (const [name, attribute] of attributes) {
    if (name === 'value' && attribute.t) return decodeTensor(attribute.t);
    if (name === 'value_float') return floatTensor([], [attribute.f]);
    if (name === 'value_floats') return floatTensor([attribute.floats.length], attribute.floats);
    if (name === 'value_int') return integerTensor([], [attribute.i]);
    if (name === 'value_ints') return integerTensor([attribute.ints.length], attribute.ints);
  }
  return undefined;
}
