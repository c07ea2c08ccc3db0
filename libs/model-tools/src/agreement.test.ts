import { expect, test } from 'vitest';

import { assertAgreement, measureAgreement } from './agreement.js';
import { writeModel } from './model-file.js';
import { floatTensor } from './tensor.js';
import { conv, modelOf, noise } from './testing/small-models.js';

const SHAPE = [1, 2, 3, 3];
const inputs = [1, 2, 3].map((seed) => [{ shape: SHAPE, values: noise(SHAPE, seed).values }]);

function net(weights: readonly number[], outputs = 2): Uint8Array {
  return writeModel(
    modelOf({
      input: SHAPE,
      nodes: [conv('x', 'y')],
      constants: {
        'y.w': floatTensor([outputs, 2, 1, 1], weights),
        'y.b': floatTensor([outputs], new Float32Array(outputs)),
      },
      outputs: { y: [1, outputs, 3, 3] },
    }),
  );
}

const identity = net([1, 0, 0, 1]);

test('a longer answer agrees in full, the opposite one not at all, and the gate knows', async () => {
  const longer = await measureAgreement(identity, net([3, 0, 0, 3]), inputs);
  expect(longer.inputs).toBe(3);
  expect(longer.outputs[0]?.min).toBeCloseTo(1, 6);
  assertAgreement(longer, { mean: 0.999_99, p1: 0.999_99, min: 0.999_99 });
  const opposite = await measureAgreement(identity, net([-1, 0, 0, -1]), inputs);
  expect(opposite.outputs[0]?.mean).toBeCloseTo(-1, 6);
  expect(() => assertAgreement(opposite, { mean: 0 })).toThrow(expect.objectContaining({ code: 'MODEL.BELOW_GATE' }));
});

test.each([
  ['a low mean', { mean: 0.9, p1: 0.9, min: 0.9 }, { mean: 0.95 }],
  ['a low percentile', { mean: 0.99, p1: 0.9, min: 0.9 }, { mean: 0.95, p1: 0.95 }],
  ['one bad input', { mean: 0.99, p1: 0.98, min: 0.1 }, { mean: 0.95, min: 0.9 }],
  ['no number', { mean: Number.NaN, p1: 0.99, min: 0.99 }, { mean: 0.95 }],
])('%s is below the gate', (_, cosines, gate) => {
  const agreement = { inputs: 9, outputs: [{ output: 'y', ...cosines }] };
  expect(() => assertAgreement(agreement, gate)).toThrow(expect.objectContaining({ code: 'MODEL.BELOW_GATE' }));
});

test('nothing compared is no agreement; another shape and an abort are errors', async () => {
  expect(() => assertAgreement({ inputs: 0, outputs: [] }, { mean: 0 })).toThrow();
  await expect(measureAgreement(identity, net([1, 0], 1), inputs)).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(measureAgreement(identity, identity, inputs, signal)).rejects.toThrow('enough');
});
