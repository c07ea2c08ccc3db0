import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Matrix } from './matrix.js';

const component = fc.double({ min: -1, max: 1, noNaN: true });
const system = fc.integer({ min: 1, max: 21 }).chain((dimension) =>
  fc.record({
    dimension: fc.constant(dimension),
    values: fc.array(component, { minLength: dimension ** 2, maxLength: dimension ** 2 }),
    vectors: fc.array(fc.array(component, { minLength: dimension, maxLength: dimension }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
);

test('products equal the textbook, one after the other, in every dimension', () => {
  fc.assert(
    fc.property(system, ({ dimension, values, vectors }) => {
      const matrix = new Matrix(Float64Array.from(values), dimension);
      const products = vectors.map((vector) => matrix.times(Float32Array.from(vector)));
      products.forEach((product, at) => {
        expect(product.length).toBe(dimension);
        product.forEach((actual, row) => {
          const expected = vectors[at]!.reduce(
            (sum, value, column) => sum + value * values[row * dimension + column]!,
            0,
          );
          expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-5);
        });
      });
    }),
  );
});
