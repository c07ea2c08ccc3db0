import { create } from '@bufbuild/protobuf';
import { AttributeProtoSchema, type AttributeProto } from 'onnx-buf';

import type { GraphNode, OnnxModel } from '../graph.js';
import { decodeTensor, encodeTensor, type Tensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Weights smaller than this are nothing beside others, and denormal or about to become so when multiplied:
 * arithmetic on such numbers is up to a hundred times slower. ONNX Runtime's own `set_denormal_as_zero` heeds
 * only the first session of a process (onnxruntime #6865, #7448, #12959).
 */
const NEGLIGIBLE = 1e-15;

/** Makes negligible float weights zero. */
export const flushNegligibleWeights: Pass = { name: 'flush-negligible-weights', apply };

function apply(model: OnnxModel): ReturnType<Pass['apply']> {
  let flushed = 0;
  const flush = (tensor: Tensor): Tensor => {
    if (tensor.kind !== 'float32') return tensor;
    const before = flushed;
    const values = tensor.values.map((value) => {
      if (value === 0 || Math.abs(value) >= NEGLIGIBLE || Number.isNaN(value)) return value;
      flushed += 1;
      return 0;
    });
    return flushed === before ? tensor : { ...tensor, values };
  };
  const constants = new Map([...model.constants].map(([name, tensor]) => [name, flush(tensor)]));
  const nodes = model.nodes.map((node) => withTensors(node, flush));
  return { model: { ...model, constants, nodes }, counts: { weights: flushed } };
}

/** Constant nodes carry their tensor as an attribute. */
function withTensors(node: GraphNode, change: (tensor: Tensor) => Tensor): GraphNode {
  if (![...node.attributes.values()].some(({ t }) => t !== undefined)) return node;
  const attributes = [...node.attributes].map(([name, value]): [string, AttributeProto] => {
    if (value.t === undefined) return [name, value];
    const t = encodeTensor(value.t.name, change(decodeTensor(value.t)));
    return [name, create(AttributeProtoSchema, { ...value, t })];
  });
  return { ...node, attributes: new Map(attributes) };
}
