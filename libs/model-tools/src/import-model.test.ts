import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, GraphProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';

import type { OnnxModel } from './graph.js';
import { importModel } from './import-model.js';
import { readModel, writeModel } from './model-file.js';
import { proveEquivalence } from './prove-equivalence.js';
import { rewriteModel } from './rewrite-model.js';
import type { ProofInput } from './run-model.js';
import { floatTensor, type FloatTensor } from './tensor.js';
import { conv, modelOf, node, noise } from './testing/small-models.js';

const SHAPE = [1, 3, 6, 6];
const inputs: readonly ProofInput[] = [1, 2, 3].map((seed) => [{ shape: SHAPE, values: noise(SHAPE, seed).values }]);

function net(seed: number): OnnxModel {
  const weights = (shape: number[], from: number): FloatTensor => noise(shape, seed * 100 + from);
  return modelOf({
    opset: 9,
    input: SHAPE,
    nodes: [
      conv('x', 'a', { pads: [1, 1, 1, 1] }),
      node('PRelu', ['a', 'slope'], ['b']),
      conv('b', 'c'),
      node('Flatten', ['c'], ['y']),
    ],
    constants: {
      'a.w': weights([40, 3, 3, 3], 1),
      'a.b': weights([40], 2),
      slope: weights([40, 1, 1], 3),
      'c.w': floatTensor(
        [2, 40, 1, 1],
        weights([2, 40, 1, 1], 4).values.map((value) => (value > 0 ? value : 1e-39)),
      ),
      'c.b': weights([2], 5),
    },
    outputs: { y: [1, 72] },
  });
}

test('an import says what it did, and that the model answers as before', async () => {
  const source = writeModel(net(1));
  const { bytes, report } = await importModel(source, { inputs });
  expect(report).toMatchObject({
    source: { bytes: source.length },
    imported: { bytes: bytes.length },
    proof: { inputs: 3, tolerance: 1e-5, outputs: [{ output: 'y' }], batch: { size: 4 } },
  });
  const counts = Object.fromEntries(report.passes.map(({ pass, counts: done }) => [pass, done]));
  expect(counts['rewrite-prelu']).toEqual({ folded: 1, left: 0 });
  expect(counts['raise-opset']).toMatchObject({ raisedFrom: 9 });
  expect(counts['make-batch-symbolic']).toMatchObject({ inputs: 1 });
  expect(report.proof.outputs[0]?.largestDifference).toBeLessThan(1e-5);
  expect(readModel(bytes).opset).toBe(13);
});

test('the same file gives the same file, and its own import changes nothing more', () => {
  const source = writeModel(net(1));
  const once = rewriteModel(source).bytes;
  expect(Buffer.compare(rewriteModel(source).bytes, once)).toBe(0);
  expect(Buffer.compare(rewriteModel(once).bytes, once)).toBe(0);
});

test('a model that answers otherwise is refused, by however little more than the tolerance', async () => {
  const [one, other] = [writeModel(net(1)), writeModel(net(2))];
  await expect(proveEquivalence(one, other, { inputs })).rejects.toMatchObject({
    code: 'MODEL.NOT_EQUIVALENT',
    details: { output: 'y' },
  });
  const rewritten = rewriteModel(one).bytes;
  const proof = await proveEquivalence(one, rewritten, { inputs });
  const [agreement] = proof.outputs;
  const scale = Math.max(1, agreement?.largestValue ?? 1);
  const exact = (agreement?.largestDifference ?? 0) / scale;
  expect(exact).toBeGreaterThan(0);
  await expect(proveEquivalence(one, rewritten, { inputs, tolerance: exact })).resolves.toBeDefined();
  await expect(proveEquivalence(one, rewritten, { inputs, tolerance: exact / 2 })).rejects.toMatchObject({
    code: 'MODEL.NOT_EQUIVALENT',
  });
});

test('an answer that is no number, another output or none at all is no equivalence', async () => {
  const model = net(1);
  const source = writeModel(model);
  const broken = floatTensor([2], [Number.NaN, 0]);
  const renamed = {
    ...model,
    nodes: model.nodes.map((one) => (one.opType === 'Flatten' ? { ...one, inputs: ['b'] } : one)),
  };
  const others = [
    writeModel({ ...model, constants: new Map([...model.constants, ['c.b', broken]]) }),
    writeModel(renamed),
    new Uint8Array(100),
  ];
  for (const other of others) {
    await expect(proveEquivalence(source, other, { inputs })).rejects.toMatchObject({ code: 'MODEL.NOT_EQUIVALENT' });
  }
  await expect(proveEquivalence(source, source, { inputs: [] })).rejects.toMatchObject({
    code: 'MODEL.NOT_EQUIVALENT',
  });
});

test('a model that does not run on its proof inputs, or is none, is invalid; an abort ends the proof', async () => {
  const source = writeModel(net(1));
  const small: ProofInput = [{ shape: [1, 3, 2], values: new Float32Array(6) }];
  await expect(importModel(source, { inputs: [small] })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  await expect(importModel(source.subarray(0, 500), { inputs })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(importModel(source, { inputs, signal })).rejects.toThrow('enough');
});

test('a model with a graph inside keeps its structure', () => {
  const model = net(1);
  const type = AttributeProto_AttributeType.GRAPH;
  const branch = create(AttributeProtoSchema, { name: 'body', type, g: create(GraphProtoSchema) });
  const nested = { ...model, nodes: [...model.nodes, node('Loop', ['y'], ['z'], new Map([['body', branch]]))] };
  const { bytes, passes } = rewriteModel(writeModel(nested));
  expect(passes.filter(({ applied }) => applied).map(({ pass }) => pass)).toEqual([
    'gather-constants',
    'flush-negligible-weights',
  ]);
  expect(readModel(bytes).nodes.length).toBe(nested.nodes.length);
});
