import { TensorProto_DataType } from 'onnx-buf';

import { convolutionOf, type Convolution } from '../convolution.js';
import { geometryOf } from '../convolution-geometry.js';
import type { GraphNode } from '../graph.js';
import type { GraphDraft } from '../graph-draft.js';
import { floatTensor, type FloatTensor, type OtherTensor } from '../tensor.js';
import type { Layer } from './layer.js';
import { patchSize } from './patches.js';

/** A convolution of a quantised model (QDQ): its constants are integers, each output's with a scale. */
export interface IntegerLayer extends Layer {
  /** As the teacher has it: the weights before they were rounded. */
  readonly source: Convolution;
  readonly weights: IntegerConstant;
  readonly bias: IntegerConstant;
  /** Weights go from −largest to largest: 127, or 63 where no weight is larger. */
  readonly largest: number;
}

export interface IntegerConstant {
  readonly name: string;
  /** One an output. */
  readonly scales: Float32Array;
}

const INT8: number = TensorProto_DataType.INT8;
const INT32: number = TensorProto_DataType.INT32;
/** The largest weight of seven bits. */
const NARROW = 63;

/**
 * Of a convolution that does not mix all channels, the bias is solved for alone: its layer sees nothing, and what it
 * gives now is another term of the target. Undefined: no 2-D convolution with a bias and weights of integers that it
 * alone reads, or one with more numbers in a patch than `mostFeatures`, or one whose result the teacher does not have.
 *
 * @param teacher the float model with the same names of coded values
 */
export function integerLayerOf(
  draft: GraphDraft,
  teacher: GraphDraft,
  node: GraphNode,
  mostFeatures: number,
): IntegerLayer | undefined {
  const found = integerConvolution(draft, node);
  const [raw = ''] = node.outputs;
  const own = teacherValueOf(draft, teacher, raw);
  const source = own && convolutionOf(teacher, teacher.index.producer(own.value));
  if (found === undefined || own === undefined || source?.outputs !== found.convolution.outputs) return undefined;
  if (patchSize(found.geometry) > mostFeatures) return undefined;
  const index = draft.nodes.indexOf(node);
  if (found.geometry.groups !== 1) {
    return { ...found, source, node: index, input: raw, target: own.value, other: raw, biasAlone: true };
  }
  const sum = own.isLimited ? undefined : sumBehind(draft, teacher, own.coded, index);
  const target = sum ?? { target: own.value, other: undefined };
  return { ...found, source, node: index, input: node.inputs[0] ?? '', ...target, biasAlone: false };
}

function integerConvolution(
  draft: GraphDraft,
  node: GraphNode,
): Pick<IntegerLayer, 'convolution' | 'geometry' | 'weights' | 'bias' | 'largest'> | undefined {
  const weights = integersOf(draft, node, 1, INT8);
  const bias = integersOf(draft, node, 2, INT32);
  if (node.opType !== 'Conv' || node.domain !== '' || weights === undefined || bias === undefined) return undefined;
  const [outputs = 0, inputs = 0] = weights.tensor.dims;
  const tensors = { weights: dequantised(weights), bias: dequantised(bias) };
  const convolution: Convolution = { node, ...tensors, outputs, inputs, kind: 'mixing' };
  const geometry = geometryOf(convolution);
  if (geometry?.kernel.length !== 2) return undefined;
  const isWide = Int8Array.from(weights.tensor.proto.rawData).some((weight) => Math.abs(weight) > NARROW);
  return { convolution, geometry, weights, bias, largest: isWide ? 127 : NARROW };
}

interface FoundIntegers extends IntegerConstant {
  readonly tensor: OtherTensor;
}

/** The integers that a node's input is dequantised from. */
function integersOf(draft: GraphDraft, node: GraphNode, input: number, type: number): FoundIntegers | undefined {
  const value = node.inputs[input] ?? '';
  const source = draft.index.producer(value);
  const [name = '', scalesName] = source?.inputs ?? [];
  const tensor = draft.model.constants.get(name);
  const scales = draft.floats(scalesName)?.values;
  const isOwn =
    source?.opType === 'DequantizeLinear' && draft.isReadOnlyBy(value, node) && draft.isReadOnlyBy(name, source);
  if (!isOwn || tensor?.kind !== 'other' || tensor.proto.dataType !== type) return undefined;
  return scales === undefined || scales.length !== tensor.dims[0] ? undefined : { name, scales, tensor };
}

function dequantised({ tensor, scales }: FoundIntegers): FloatTensor {
  const { rawData, dataType } = tensor.proto;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const bytes = dataType === INT8 ? 1 : 4;
  const count = rawData.length / bytes;
  const size = count / scales.length;
  const values = Float32Array.from({ length: count }, (_, index) => {
    const integer = bytes === 1 ? view.getInt8(index) : view.getInt32(index * bytes, true);
    return integer * (scales[Math.floor(index / size)] ?? 0);
  });
  return floatTensor(tensor.dims, values);
}

/** The teacher's value of what a node of the student computes before it is coded; a code's limits may be a Relu's. */
function teacherValueOf(
  draft: GraphDraft,
  teacher: GraphDraft,
  raw: string,
): { readonly value: string; readonly coded: string; readonly isLimited: boolean } | undefined {
  const [quantise, ...others] = draft.index.consumers(raw);
  if (quantise?.opType !== 'QuantizeLinear' || others.length > 0) return undefined;
  const readers = draft.index.consumers(quantise.outputs[0] ?? '');
  const coded = readers.find(({ opType }) => opType === 'DequantizeLinear')?.outputs[0] ?? '';
  const producer = teacher.index.producer(coded);
  if (producer === undefined) return undefined;
  const isLimited = producer.opType === 'Relu' || producer.opType === 'Clip';
  return { value: isLimited ? (producer.inputs[0] ?? '') : coded, coded, isLimited };
}

/** The sum of the layer's coded result and a value that is known before it. */
function sumBehind(
  draft: GraphDraft,
  teacher: GraphDraft,
  coded: string,
  index: number,
): { readonly target: string; readonly other: string } | undefined {
  const [reader, ...others] = draft.index.consumers(coded);
  if (reader?.opType !== 'Add' || others.length > 0 || draft.index.isOutput(coded)) return undefined;
  const other = reader.inputs.find((name) => name !== coded);
  const producer = other === undefined ? undefined : draft.index.producer(other);
  const sum = teacherValueOf(draft, teacher, reader.outputs[0] ?? '');
  if (other === undefined || producer === undefined || sum === undefined) return undefined;
  return draft.nodes.indexOf(producer) < index ? { target: sum.value, other } : undefined;
}
