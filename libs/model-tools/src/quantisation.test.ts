import { expect, test } from 'vitest';

import { measureAgreement } from './agreement.js';
import { integerAttributes } from './attributes.js';
import type { OnnxModel } from './graph.js';
import { readModel, writeModel } from './model-file.js';
import { quantiseModel, type QuantisationProgress } from './quantisation.js';
import { rewriteModel } from './rewrite-model.js';
import type { ProofInput } from './run-model.js';
import { floatTensor } from './tensor.js';
import { conv, modelOf, node, noise } from './testing/small-models.js';

const SHAPE = [1, 3, 8, 8];
const CHANNELS = 16;
const inputsOf = (from: number, count: number): ProofInput[] =>
  Array.from({ length: count }, (_, index) => [{ shape: SHAPE, values: noise(SHAPE, from + index).values }]);
const calibration = (): ProofInput[] => inputsOf(1, 12);

/** An embedder in small: what each pass and each kind of operation has to deal with. */
function net(slope = 0.3): OnnxModel {
  return modelOf({
    input: SHAPE,
    nodes: [
      conv('x', 'a', { pads: [1, 1, 1, 1] }),
      node('PRelu', ['a', 'slopes'], ['b']),
      conv('b', 'c', { group: CHANNELS, pads: [1, 1, 1, 1] }),
      node('Relu', ['c'], ['d']),
      conv('d', 'e'),
      node('Clip', ['e', 'zero', 'six'], ['f']),
      node('Add', ['b', 'f'], ['g']),
      node('MaxPool', ['g'], ['h'], integerAttributes({ kernel_shape: [2, 2], strides: [2, 2] })),
      conv('h', 'i'),
      node('GlobalAveragePool', ['i'], ['j']),
      node('Sigmoid', ['j'], ['k']),
      node('Mul', ['i', 'k'], ['l']),
      node('Flatten', ['l'], ['m']),
      node('Gemm', ['m', 'w', 'v'], ['y'], integerAttributes({ transB: 1 })),
    ],
    constants: {
      'a.w': noise([CHANNELS, 3, 3, 3], 1),
      'a.b': noise([CHANNELS], 2),
      slopes: floatTensor(
        [CHANNELS, 1, 1],
        noise([CHANNELS], 3).values.map((value) => value * slope),
      ),
      'c.w': noise([CHANNELS, 1, 3, 3], 4),
      'c.b': noise([CHANNELS], 5),
      'e.w': noise([CHANNELS, CHANNELS, 1, 1], 6),
      'e.b': noise([CHANNELS], 7),
      zero: floatTensor([], [0]),
      six: floatTensor([], [6]),
      'i.w': noise([CHANNELS, CHANNELS, 1, 1], 8),
      'i.b': noise([CHANNELS], 9),
      w: noise([24, CHANNELS * 16], 10),
      v: noise([24], 11),
    },
    outputs: { y: [1, 24] },
  });
}
const source = rewriteModel(writeModel(net())).bytes;

test('every layer is done with integers, and the answer stays nearly the same', async () => {
  const stages = new Map<string, number>();
  const onProgress = ({ stage, done }: QuantisationProgress): void => void stages.set(stage, done);
  const { bytes, report } = await quantiseModel(source, { inputs: calibration, onProgress });
  expect(report.layers).toBe(5);
  expect(report.fused).toMatchObject({
    layers: 5,
    operations: { QLinearConv: 4, QGemm: 1, Max: 1, QLinearAdd: 1, QLinearGlobalAveragePool: 1, QLinearSigmoid: 1 },
  });
  expect(report.fused.operations).not.toHaveProperty('Clip');
  expect(report.keptFloat).toEqual([]);
  expect(Object.fromEntries(stages)).toEqual({ statistics: 12, ranges: 12 });
  expect(report.calibration.inputs).toBe(12);
  const { outputs } = await measureAgreement(source, bytes, inputsOf(100, 20));
  expect(outputs[0]?.mean).toBeGreaterThan(0.998);
  expect(outputs[0]?.mean).toBeLessThan(1);
  expect(readModel(bytes).outputs.map(({ name }) => name)).toEqual(['y']);
});

test('a native PRelu is done with integers when no slope is above 1, and with floats otherwise', async () => {
  const flat = await quantiseModel(writeModel(net(1)), { inputs: calibration });
  expect(flat.report.fused.operations).toMatchObject({ Max: 1, QLinearMul: 2 });
  const steep = await quantiseModel(writeModel(net(2)), { inputs: calibration });
  expect(steep.report.fused.operations).not.toHaveProperty('Max');
  expect(steep.report.fused.layers).toBeGreaterThanOrEqual(5);
  const { outputs } = await measureAgreement(writeModel(net(2)), steep.bytes, inputsOf(100, 20));
  expect(outputs[0]?.mean).toBeGreaterThan(0.998);
});

test('the same model, settings and inputs give the same bytes and digest; others do not', async () => {
  const [one, again] = [
    await quantiseModel(source, { inputs: calibration }),
    await quantiseModel(source, { inputs: calibration }),
  ];
  expect(Buffer.compare(one.bytes, again.bytes)).toBe(0);
  expect(again.report).toEqual(one.report);
  const seven = await quantiseModel(source, { inputs: calibration, weightBits: 7 });
  const fewer = await quantiseModel(source, { inputs: () => inputsOf(1, 11) });
  const digests = [one, seven, fewer].map(({ report }) => report.digest);
  expect(new Set(digests).size).toBe(3);
});

test('7-bit weights stay within −63 and 63', async () => {
  const { bytes } = await quantiseModel(source, { inputs: calibration, weightBits: 7 });
  const weights = [...readModel(bytes).constants.values()].flatMap((tensor) =>
    tensor.kind === 'other' && tensor.dims.length === 4
      ? [...new Int8Array(Uint8Array.from(tensor.proto.rawData).buffer)]
      : [],
  );
  expect(weights.length).toBeGreaterThan(500);
  expect(Math.max(...weights.map(Math.abs))).toBe(63);
});

test('layers that cost most stay float until the agreement asked for is reached', async () => {
  const plain = await quantiseModel(source, { inputs: calibration });
  const reached = plain.report.agreement.outputs[0]?.mean ?? 0;
  const wanted = 1 - (1 - reached) * 0.8;
  const { report, bytes } = await quantiseModel(source, {
    inputs: calibration,
    fallback: { mean: wanted, mostLayers: 4 },
  });
  expect(report.keptFloat.length).toBeGreaterThan(0);
  expect(report.fused.layers).toBe(5 - report.keptFloat.length);
  expect(report.keptFloat.at(-1)?.together).toBeGreaterThanOrEqual(wanted);
  expect(report.agreement.outputs[0]?.mean).toBe(report.keptFloat.at(-1)?.together);
  expect(bytes.length).toBeGreaterThan(plain.bytes.length);
});

test('what cannot be quantised is refused, with the reason', async () => {
  const refusal = (message: RegExp) => ({
    code: 'MODEL.NOT_OPTIMISABLE',
    message: expect.stringMatching(message) as string,
  });
  const bare = writeModel(modelOf({ input: SHAPE, nodes: [node('Relu', ['x'], ['y'])], outputs: { y: SHAPE } }));
  await expect(quantiseModel(bare, { inputs: calibration })).rejects.toMatchObject(refusal(/no layer/));
  await expect(quantiseModel(source, { inputs: () => [] })).rejects.toMatchObject(refusal(/without calibration/));
  const old = writeModel({ ...net(), opset: 12 });
  await expect(quantiseModel(old, { inputs: calibration })).rejects.toMatchObject(refusal(/operator set 13/));
  await expect(quantiseModel(new Uint8Array(9), { inputs: calibration })).rejects.toMatchObject({
    code: 'MODEL.INVALID',
  });
});

test('an abort ends it', async () => {
  const control = new AbortController();
  const run = quantiseModel(source, {
    inputs: calibration,
    signal: control.signal,
    onProgress: ({ stage, done }) => {
      if (stage === 'ranges' && done === 3) control.abort(new Error('enough'));
    },
  });
  await expect(run).rejects.toThrow('enough');
});
