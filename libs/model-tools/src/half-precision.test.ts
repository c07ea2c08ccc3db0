import { expect, test } from 'vitest';

import { storeInHalfPrecision } from './half-precision.js';
import { readModel, writeModel } from './model-file.js';
import { floatTensor, type Tensor } from './tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from './testing/small-models.js';

const SHAPE = [1, 8, 6, 6];
const input = noise(SHAPE, 5);
const model = modelOf({
  input: SHAPE,
  nodes: [conv('x', 'a', { pads: [1, 1, 1, 1] }), node('Relu', ['a'], ['b']), conv('b', 'y')],
  constants: {
    'a.w': noise([64, 8, 3, 3], 1),
    'a.b': noise([64], 2),
    'y.w': noise([16, 64, 1, 1], 3),
    'y.b': noise([16], 4),
  },
  outputs: { y: [1, 16, 6, 6] },
});

test('half the bytes give nearly the same answer', async () => {
  const source = writeModel(model);
  const { bytes, report } = storeInHalfPrecision(source);
  expect(report).toEqual({ tensors: 3, elements: 64 * 72 + 64 + 16 * 64, elementsLeft: 16 });
  expect(bytes.length).toBeLessThan(0.54 * source.length);
  const [before, after] = [await answerOf(model, input), await answerOf(readModel(bytes), input)];
  const largest = Math.max(...before.map(Math.abs));
  expect(differenceOf(before, after)).toBeGreaterThan(0);
  expect(differenceOf(before, after) / largest).toBeLessThan(1e-3);
});

test('weights that float16 holds exactly give exactly the same answer, in the same bytes every time', async () => {
  const rounded = new Map(
    [...model.constants].map(([name, tensor]): [string, Tensor] => {
      if (tensor.kind !== 'float32') return [name, tensor];
      return [
        name,
        floatTensor(
          tensor.dims,
          tensor.values.map((value) => Math.round(value * 512) / 512),
        ),
      ];
    }),
  );
  const source = { ...model, constants: rounded };
  const { bytes } = storeInHalfPrecision(writeModel(source));
  expect(differenceOf(await answerOf(source, input), await answerOf(readModel(bytes), input))).toBe(0);
  expect(Buffer.compare(bytes, storeInHalfPrecision(writeModel(source)).bytes)).toBe(0);
});

test('a constant with values beyond float16 stays as it is', async () => {
  const weights = noise([64, 8, 3, 3], 1);
  const large = floatTensor(
    weights.dims,
    weights.values.map((value) => value * 1e5),
  );
  const source = { ...model, constants: new Map([...model.constants, ['a.w', large]]) };
  const { bytes, report } = storeInHalfPrecision(writeModel(source));
  expect(report.elementsLeft).toBe(64 * 72 + 16);
  const answer = await answerOf(readModel(bytes), input);
  expect(answer.every((value) => Number.isFinite(value))).toBe(true);
});

test('what has no weights to store, or is no model, is refused', () => {
  const bare = modelOf({ input: SHAPE, nodes: [node('Relu', ['x'], ['y'])], outputs: { y: SHAPE } });
  expect(() => storeInHalfPrecision(writeModel(bare))).toThrow(
    expect.objectContaining({ code: 'MODEL.NOT_OPTIMISABLE' }),
  );
  expect(() => storeInHalfPrecision(new Uint8Array(20))).toThrow(expect.objectContaining({ code: 'MODEL.INVALID' }));
});
