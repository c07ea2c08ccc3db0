import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type GraphProto,
  type ModelProto,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';

import { writeModel } from './model-file.js';
import { conv, modelOf, node, noise } from './testing/small-models.js';
import { vetModel } from './vet-model.js';

const model = modelOf({
  input: [1, 3, 4, 4],
  nodes: [conv('x', 'y'), node('Relu', ['y'], ['z'])],
  constants: { 'y.w': noise([2, 3, 3, 3], 1), 'y.b': noise([2], 2) },
  outputs: { z: [1, 2, 2, 2] },
});
const good = writeModel(model);

function tampered(change: (proto: ModelProto, graph: GraphProto) => void): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, good);
  if (proto.graph !== undefined) change(proto, proto.graph);
  return toBinary(ModelProtoSchema, proto);
}

const { GRAPH } = AttributeProto_AttributeType;
const branch = () => create(AttributeProtoSchema, { name: 'body', type: GRAPH, g: create(GraphProtoSchema) });

/** A graph of nothing but empty nodes: two bytes each, some hundred once they are objects. */
function bomb(fields: number): Uint8Array {
  const graph = new Uint8Array(fields * 2);
  for (let at = 0; at < graph.length; at += 2) graph[at] = 0x0a;
  const length: number[] = [];
  for (let rest = graph.length; rest > 0; rest = Math.floor(rest / 128))
    length.push((rest % 128) + (rest > 127 ? 128 : 0));
  return Buffer.concat([good.subarray(0, 2), Buffer.from([0x3a, ...length]), graph]);
}

describe('a file of unknown origin', () => {
  it('tells what it holds', () => {
    expect(vetModel(good)).toEqual({
      ...{ opset: 13, nodes: 2, operators: { Conv: 1, Relu: 1 }, parameters: 56, inputs: ['x'], outputs: ['z'] },
    });
  });

  it.each<[string, () => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(), 'MODEL.INVALID'],
    ['something else', () => new TextEncoder().encode('not a model at all'), 'MODEL.INVALID'],
    ['a part of one', () => good.subarray(0, good.length - 40), 'MODEL.INVALID'],
    ['millions of nodes of two bytes each', () => bomb(4_000_000), 'MODEL.INVALID'],
    [
      'thousands of operator sets',
      () =>
        tampered((proto) => {
          for (let version = 1n; version < 5000n; version += 1n)
            proto.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'd', version }));
        }),
      'MODEL.INVALID',
    ],
    [
      'a node with thousands of inputs',
      () => tampered((_, graph) => graph.node[0]?.input.push(...Array<string>(20_000).fill('x'))),
      'MODEL.INVALID',
    ],
    [
      'a tensor of more elements than there is memory',
      () =>
        tampered((_, graph) => {
          graph.initializer.push(
            create(TensorProtoSchema, { name: 'huge', dataType: 2, dims: [2n ** 40n, 2n ** 20n] }),
          );
        }),
      'MODEL.INVALID',
    ],
    [
      'the same inside of a node',
      () =>
        tampered((_, graph) => {
          const t = create(TensorProtoSchema, { dataType: 1, dims: [2n ** 62n] });
          graph.node[0]?.attribute.push(create(AttributeProtoSchema, { name: 'value', t }));
        }),
      'MODEL.INVALID',
    ],
    [
      'data in a file outside of its folder',
      () =>
        tampered((_, { initializer: [first] }) => {
          const value = '../../../../etc/passwd';
          first?.externalData.push(create(StringStringEntryProtoSchema, { key: 'location', value }));
        }),
      'MODEL.INVALID',
    ],
    [
      'the same inside of a node',
      () =>
        tampered((_, graph) => {
          const t = create(TensorProtoSchema, {
            dataType: 1,
            dims: [1n],
            dataLocation: TensorProto_DataLocation.EXTERNAL,
          });
          graph.node[0]?.attribute.push(create(AttributeProtoSchema, { name: 'value', tensors: [t] }));
        }),
      'MODEL.INVALID',
    ],
    ['a cycle', () => tampered((_, graph) => graph.node[0]?.input.splice(0, 1, 'z')), 'MODEL.INVALID'],
    [
      'two nodes that give one value',
      () =>
        tampered((_, graph) =>
          graph.node.push(create(NodeProtoSchema, { opType: 'Relu', input: ['y'], output: ['z'] })),
        ),
      'MODEL.INVALID',
    ],
    ['control flow', () => tampered((_, graph) => graph.node[1]?.attribute.push(branch())), 'MODEL.UNSUPPORTED'],
    [
      'sparse constants',
      () =>
        tampered((_, graph) => graph.sparseInitializer.push(create(SparseTensorProtoSchema, { dims: [2n ** 40n] }))),
      'MODEL.UNSUPPORTED',
    ],
    [
      'an operator set of the future',
      () => tampered(({ opsetImport: [first] }) => first && (first.version = 900n)),
      'MODEL.UNSUPPORTED',
    ],
    [
      'operators that nobody knows',
      () => tampered((_, { node: [first] }) => first && (first.domain = 'org.example')),
      'MODEL.UNSUPPORTED',
    ],
  ])('is refused at once when it is %s', (_, make, code) => {
    const bytes = make();
    const before = performance.now();
    expect(() => vetModel(bytes)).toThrow(expect.objectContaining({ code, retryable: false }) as Error);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('may nest graphs as deep as it likes: none of them is followed', () => {
    let inner = branch();
    for (let depth = 0; depth < 200; depth += 1) {
      const nested = create(NodeProtoSchema, { opType: 'If', attribute: [inner] });
      inner = create(AttributeProtoSchema, { name: 'b', type: GRAPH, g: create(GraphProtoSchema, { node: [nested] }) });
    }
    const bytes = tampered((_, graph) => graph.node[1]?.attribute.push(inner));
    expect(() => vetModel(bytes)).toThrow(expect.objectContaining({ code: 'MODEL.UNSUPPORTED' }) as Error);
  });
});
