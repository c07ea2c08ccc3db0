import { expect, test } from 'vitest';

import { embeddingOf } from './embedding.js';

const close = (actual: Float32Array, expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, index) => expect(actual[index]).toBeCloseTo(value, 6));
};

test('an embedding has length one', () => {
  close(embeddingOf([Float32Array.of(3, 4)], { dimension: 2 }), [0.6, 0.8]);
});

test('all views of a face count alike, however long their vectors are', () => {
  close(embeddingOf([Float32Array.of(100, 0), Float32Array.of(0, 1)], { dimension: 2 }), [Math.SQRT1_2, Math.SQRT1_2]);
});

test('what all faces have in common is taken out', () => {
  close(embeddingOf([Float32Array.of(3, 4)], { dimension: 2, centre: [0.6, 0.1] }), [0, 1]);
});

test('outputs of another dimension, without a direction, or that cancel out are refused', () => {
  expect(() => embeddingOf([Float32Array.of(1, 2, 3)], { dimension: 2 })).toThrow('another dimension');
  for (const outputs of [
    [Float32Array.of(0, 0)],
    [Float32Array.of(Number.NaN, 1)],
    [Float32Array.of(1, 0), Float32Array.of(-1, 0)],
  ]) {
    expect(() => embeddingOf(outputs, { dimension: 2 })).toThrow('not finite, or zero');
  }
});
