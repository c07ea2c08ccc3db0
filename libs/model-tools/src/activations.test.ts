import { expect, test } from 'vitest';

import { observeActivations } from './activations.js';
import { writeModel } from './model-file.js';
import type { ProofInput } from './run-model.js';
import { conv, modelOf, node, noise } from './testing/small-models.js';

const SHAPE = [1, 2, 4, 4];
const model = writeModel(
  modelOf({
    input: SHAPE,
    nodes: [
      conv('x', 'a'),
      node('Relu', ['a'], ['b']),
      node('Shape', ['b'], ['s']),
      node('GlobalMaxPool', ['b'], ['y']),
    ],
    constants: { 'a.w': noise([3, 2, 1, 1], 1), 'a.b': noise([3], 2) },
    outputs: { y: [1, 3, 1, 1] },
  }),
);

function* inputs(count: number): Generator<ProofInput> {
  for (let seed = 0; seed < count; seed++) yield [{ shape: SHAPE, values: noise(SHAPE, seed).values }];
}

test('the visitor sees inputs, outputs and values in between of each input, in turn', async () => {
  const seen: number[] = [];
  const progress: number[] = [];
  const count = await observeActivations(model, {
    values: ['x', 'a', 'b', 'y'],
    inputs: inputs(3),
    visit: (activations, index) => {
      seen.push(index);
      expect(activations.get('x')?.values).toEqual(noise(SHAPE, index).values);
      const before = activations.get('a');
      expect(before?.shape).toEqual([1, 3, 4, 4]);
      expect(activations.get('b')?.values).toEqual(before?.values.map((value) => Math.max(0, value)));
      const [first, second] = [activations.get('b')?.values ?? [], activations.get('y')?.values ?? []];
      expect(Math.max(...second)).toBe(Math.max(...first));
    },
    onProgress: (done) => progress.push(done),
  });
  expect(count).toBe(3);
  expect(seen).toEqual([0, 1, 2]);
  expect(progress).toEqual([1, 2, 3]);
});

test('inputs are asked for one at a time, and an abort ends the walk', async () => {
  const control = new AbortController();
  let made = 0;
  const endless = async function* (): AsyncGenerator<ProofInput> {
    for (const input of inputs(100)) {
      made += 1;
      yield await Promise.resolve(input);
    }
  };
  const run = observeActivations(model, {
    values: ['b'],
    inputs: endless(),
    visit: (_, index) => {
      expect(made).toBe(index + 1);
      if (index === 4) control.abort(new Error('enough'));
    },
    signal: control.signal,
  });
  await expect(run).rejects.toThrow('enough');
  expect(made).toBe(6);
});

test.each([
  ['is not there', 'z'],
  ['is a constant', 'a.w'],
  ['has no name', ''],
  ['is not of floats', 's'],
])('a value that %s is refused', async (_, value) => {
  const run = observeActivations(model, { values: [value], inputs: inputs(1), visit: () => undefined });
  await expect(run).rejects.toMatchObject({ code: 'MODEL.INVALID' });
});

test('an input that does not fit is refused', async () => {
  const wrong: ProofInput = [{ shape: [1, 1, 2, 2], values: new Float32Array(4) }];
  const run = observeActivations(model, { values: ['b'], inputs: [wrong], visit: () => undefined });
  await expect(run).rejects.toMatchObject({ code: 'MODEL.INVALID' });
});
