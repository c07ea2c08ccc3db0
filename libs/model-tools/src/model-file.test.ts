import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { openSession } from '@sightline/onnx-runtime';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  ValueInfoProtoSchema,
  type GraphProto,
  type ModelProto,
} from 'onnx-buf';
import { expect, test } from 'vitest';

import { hasPlainGraph, readModel, writeModel } from './model-file.js';
import { integerTensor } from './tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from './testing/small-models.js';

const model = modelOf({
  input: [1, 3, 4, 4],
  nodes: [conv('x', 'y'), node('Reshape', ['y', 'shape'], ['z'])],
  constants: { 'y.w': noise([2, 3, 3, 3], 1), 'y.b': noise([2], 2), shape: integerTensor([2], [1n, -1n]) },
  outputs: { z: [1, 8] },
});
const input = noise([1, 3, 4, 4], 3);

test('what is written can be read, and answers the same', async () => {
  const again = readModel(writeModel(model));
  expect(again.nodes).toEqual(model.nodes);
  expect(again.constants).toEqual(model.constants);
  expect(differenceOf(await answerOf(model, input), await answerOf(again, input))).toBe(0);
});

test('the same model is written in the same bytes', () => {
  const bytes = writeModel(model);
  expect(Buffer.compare(writeModel(readModel(bytes)), bytes)).toBe(0);
});

/** The model's file after a change that no writer of ours would make. */
function tampered(change: (proto: ModelProto, graph: GraphProto) => void): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, writeModel(model));
  if (proto.graph !== undefined) change(proto, proto.graph);
  return toBinary(ModelProtoSchema, proto);
}

test('constants that an old file lists among the inputs are no inputs', async () => {
  const bytes = tampered((proto, graph) => {
    proto.irVersion = 3n;
    for (const name of ['y.w', 'y.b']) graph.input.push(create(ValueInfoProtoSchema, { name }));
  });
  const read = readModel(bytes);
  expect(read.inputs.map(({ name }) => name)).toEqual(['x']);
  const session = await openSession(writeModel(read));
  expect(session.inputs.map(({ name }) => name)).toEqual(['x']);
  await session.release();
});

test('bytes that are no model, and models whose data lie elsewhere or have another size, are refused', () => {
  const withDims = (...dims: readonly bigint[]): Uint8Array =>
    tampered((_, { initializer: [first] }) => {
      if (first) first.dims = [...dims];
    });
  const elsewhere = tampered((_, { initializer: [first] }) => {
    first?.externalData.push(create(StringStringEntryProtoSchema, { key: 'location', value: 'weights.bin' }));
  });
  const refused = [
    new Uint8Array(),
    new TextEncoder().encode('not a model'),
    new Uint8Array(4096).fill(255),
    writeModel(model).subarray(0, 300),
    toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 7n })),
    elsewhere,
    withDims(2n, 3n, 3n, 4n),
    withDims(-2n, -3n, 3n, 3n),
  ];
  for (const bytes of refused) {
    expect(() => readModel(bytes)).toThrow(expect.objectContaining({ code: 'MODEL.INVALID', retryable: false }));
  }
});

test('a graph with a graph inside is not plain', () => {
  const type = AttributeProto_AttributeType.GRAPH;
  const branch = create(AttributeProtoSchema, { name: 'then_branch', type, g: create(GraphProtoSchema) });
  const nested = { ...model, nodes: [...model.nodes, node('If', ['z'], ['a'], new Map([['then_branch', branch]]))] };
  expect([hasPlainGraph(model), hasPlainGraph(nested)]).toEqual([true, false]);
});
