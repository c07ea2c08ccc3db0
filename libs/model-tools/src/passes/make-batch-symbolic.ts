import { create } from '@bufbuild/protobuf';
import {
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type ValueInfoProto,
} from 'onnx-buf';

import { reshapeRest, traceBatch, type BatchTrace } from '../batch-axis.js';
import type { OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { integerTensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Lets a model that was exported for a batch of one take any batch. A model in which the batch cannot be
 * followed from the inputs to every output is left as it is.
 */
export const makeBatchSymbolic: Pass = { name: 'make-batch-symbolic', scope: 'graph', apply };

const BATCH = 'batch';

function apply(model: OnnxModel): ReturnType<Pass['apply']> {
  const left = { model, counts: { inputs: 0, reshapes: 0 } };
  const traces = new Map<string, BatchTrace>();
  for (const input of model.inputs) {
    const dims = dimensionsOf(input);
    if (dims === undefined || dims.length < 2 || dims[0]?.value !== 1n) return left;
    traces.set(input.name, { kind: 'batched', rank: dims.length });
  }
  const draft = new GraphDraft(model);
  let reshapes = 0;
  for (const node of model.nodes) {
    const trace = traceBatch(draft, node, traces);
    if (trace === undefined) return left;
    traces.set(node.outputs[0] ?? '', trace);
    const rest = node.opType === 'Reshape' ? reshapeRest(draft, node, traces) : undefined;
    if (rest === undefined) continue;
    const [input = '', , ...others] = node.inputs;
    // A dimension of 0 is the input's own.
    const shape = integerTensor([rest.length + 1], [0n, ...rest]);
    const target = draft.addConstant(node.outputs[0] ?? '', 'shape', shape);
    draft.replace(node, { ...node, inputs: [input, target, ...others] });
    reshapes += 1;
  }
  const isFollowed = model.outputs.every(({ name }) => traces.get(name)?.kind === 'batched');
  if (!isFollowed) return left;
  const inputs = model.inputs.map(withSymbolicBatch);
  const outputs = model.outputs.map(withSymbolicBatch);
  return { model: { ...draft.model, inputs, outputs }, counts: { inputs: inputs.length, reshapes } };
}

function tensorTypeOf({ type }: ValueInfoProto) {
  return type?.value.case === 'tensorType' ? type.value.value : undefined;
}

function dimensionsOf(info: ValueInfoProto) {
  return tensorTypeOf(info)?.shape?.dim.map(({ value }) => value);
}

function withSymbolicBatch(info: ValueInfoProto): ValueInfoProto {
  const tensorType = tensorTypeOf(info);
  if (tensorType?.shape === undefined) return info;
  const batch = create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: BATCH } });
  const shape = create(TensorShapeProtoSchema, { dim: [batch, ...tensorType.shape.dim.slice(1)] });
  const value = create(TypeProto_TensorSchema, { elemType: tensorType.elemType, shape });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value } });
  return create(ValueInfoProtoSchema, { name: info.name, type });
}
