import { create } from '@bufbuild/protobuf';
import { openSession, Tensor } from '@sightline/onnx-runtime';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  TensorProto_DataType,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type ValueInfoProto,
} from 'onnx-buf';

import { integerAttributes } from '../attributes.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { writeModel } from '../model-file.js';
import { floatTensor, sizeOf, type FloatTensor, type Tensor as Constant } from '../tensor.js';

type Dimension = number | string;

interface SmallModel {
  readonly opset?: number;
  readonly input: readonly Dimension[];
  readonly nodes: readonly GraphNode[];
  readonly constants?: Readonly<Record<string, Constant>>;
  /** By name. */
  readonly outputs: Readonly<Record<string, readonly Dimension[]>>;
}

/** A model of one input, `x`. */
export function modelOf({ opset = 13, input, nodes, constants = {}, outputs }: SmallModel): OnnxModel {
  return {
    opset,
    otherOpsets: new Map(),
    nodes,
    constants: new Map(Object.entries(constants)),
    inputs: [valueInfo('x', input)],
    outputs: Object.entries(outputs).map(([name, shape]) => valueInfo(name, shape)),
    rest: create(ModelProtoSchema, { irVersion: 7n, graph: { name: 'small' } }),
  };
}

export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: GraphNode['attributes'] = new Map(),
): GraphNode {
  return { opType, domain: '', name: '', inputs, outputs, attributes };
}

/** A convolution of `x` named by its output; its constants are `{output}.w` and `{output}.b`. */
export function conv(
  input: string,
  output: string,
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
): GraphNode {
  return node('Conv', [input, `${output}.w`, `${output}.b`], [output], integerAttributes(attributes));
}

export function floatValue(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value });
}

/** Numbers from −1 to 1 that a seed determines (a linear congruential generator, Numerical Recipes). */
export function noise(shape: readonly number[], seed: number): FloatTensor {
  let state = seed >>> 0;
  const values = Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
  return floatTensor(shape, values);
}

/** What ONNX Runtime makes of a model and its input, all outputs one after the other. */
export async function answerOf(model: OnnxModel, { dims, values }: FloatTensor): Promise<Float32Array> {
  const session = await openSession(writeModel(model));
  try {
    const outputs = await session.run({ x: new Tensor('float32', values, [...dims]) });
    const data = Object.values(outputs).flatMap((output) => Array.from(output.data as Float32Array));
    return Float32Array.from(data);
  } finally {
    await session.release();
  }
}

/** The largest absolute difference; infinite when one of them is longer. */
export function differenceOf(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return Number.POSITIVE_INFINITY;
  return one.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (other[index] ?? Number.NaN))), 0);
}

function valueInfo(name: string, shape: readonly Dimension[]): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof size === 'number' ? { case: 'dimValue', value: BigInt(size) } : { case: 'dimParam', value: size },
    }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: TensorProto_DataType.FLOAT,
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } });
  return create(ValueInfoProtoSchema, { name, type });
}
