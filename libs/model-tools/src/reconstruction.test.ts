import { beforeAll, expect, test } from 'vitest';

import { assertAgreement, measureAgreement } from './agreement.js';
import { readModel, writeModel } from './model-file.js';
import { quantiseModel, type QuantisedModel } from './quantisation.js';
import { reconstructModel, type ReconstructedModel } from './reconstruction.js';
import { choleskyOf, inverseOf, solveRows } from './reconstruction/cholesky.js';
import { NormalEquations } from './reconstruction/normal-equations.js';
import { ErrorFeedback } from './reconstruction/rounding.js';
import { noise } from './testing/small-models.js';
import { redundantInputs, redundantModel } from './testing/redundant-model.js';

const source = writeModel(redundantModel());
const inputs = redundantInputs(30);
const unseen = redundantInputs(60).slice(30);
let quantised: QuantisedModel;
let repaired: ReconstructedModel;

/** The model with weights of one layer off by up to three tenths. */
function damaged(): Uint8Array {
  const model = redundantModel();
  const weights = model.constants.get('c.w');
  if (weights?.kind !== 'float32') throw new TypeError('the model has no layer c');
  const errors = noise(weights.dims, 9).values;
  const values = weights.values.map((weight, index) => weight * (1 + 0.3 * (errors[index] ?? 0)));
  return writeModel({ ...model, constants: new Map([...model.constants, ['c.w', { ...weights, values }]]) });
}

beforeAll(async () => {
  const options = { inputs: () => inputs, weightBits: 7, equalise: false } as const;
  const { floats } = await quantiseModel(source, options);
  quantised = await quantiseModel(damaged(), options);
  repaired = await reconstructModel(quantised.bytes, { teacher: floats, inputs, copies: 0 });
});

test('a quantised model is repaired: the same graph and bytes, nearer to its teacher on inputs never seen', async () => {
  const [before] = (await measureAgreement(source, quantised.bytes, unseen)).outputs;
  const [after] = (await measureAgreement(source, repaired.bytes, unseen)).outputs;
  expect(1 - (after?.mean ?? 0)).toBeLessThan(0.5 * (1 - (before?.mean ?? 0)));
  expect(readModel(repaired.bytes).nodes).toEqual(readModel(quantised.bytes).nodes);
  expect(repaired.bytes.length).toBe(quantised.bytes.length);
  assertAgreement(repaired.report.after, { mean: before?.mean ?? 1 });
});

test('each layer with integers is solved for, and none is worse than before where it was not solved from', () => {
  const { layers } = repaired.report;
  expect(layers.map(({ layer }) => layer)).toEqual(['s', 'a', 'b', 'sum', 'd']);
  for (const { before, after } of layers) expect(after).toBeLessThanOrEqual(before);
  expect(layers.some(({ before, after }) => after < before)).toBe(true);
});

test('seven bits stay seven bits', () => {
  const weights = [...readModel(repaired.bytes).constants.values()].flatMap((tensor) =>
    tensor.kind === 'other' && tensor.dims.length === 4 ? [...Int8Array.from(tensor.proto.rawData)] : [],
  );
  expect(weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0)).toBe(63);
});

/** Vᵀ·V of noise, and a little more on the diagonal: positive definite. */
function definite(size: number): Float64Array {
  const vectors = noise([size, size], 1).values;
  return Float64Array.from({ length: size * size }, (_, index) => {
    const [row, column] = [Math.floor(index / size), index % size];
    let sum = row === column ? 0.1 : 0;
    for (let k = 0; k < size; k++) sum += (vectors[k * size + row] ?? 0) * (vectors[k * size + column] ?? 0);
    return sum;
  });
}

test('a factorisation gives back its matrix, its inverse and solutions', () => {
  const size = 12;
  const matrix = definite(size);
  const factor = choleskyOf(matrix, size);
  const inverse = inverseOf(factor, size);
  const rows = matrix.slice();
  solveRows(factor, size, rows);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let product = 0;
      for (let k = 0; k < size; k++) product += (matrix[row * size + k] ?? 0) * (inverse[k * size + column] ?? 0);
      expect(product).toBeCloseTo(row === column ? 1 : 0, 8);
      expect(rows[row * size + column]).toBeCloseTo(row === column ? 1 : 0, 8);
    }
  }
  expect(() => choleskyOf(Float64Array.from([1, 2, 2, 1]), 2)).toThrow(RangeError);
});

test('least squares find the weights that made the targets, and say what is left', () => {
  const weights = Float64Array.from([2, -1, 0.5, 0, 3, 1]);
  const equations = new NormalEquations(3, 2);
  const features = noise([100, 3], 5).values;
  for (let sample = 0; sample < 100; sample++) {
    const [one = 0, two = 0, three = 0] = features.subarray(sample * 3, sample * 3 + 3);
    equations.add([one, two, three, 2 * one - two + 0.5 * three, 3 * two + three]);
  }
  const nothing = new Float64Array(6);
  equations.solve(nothing, 0).forEach((value, index) => expect(value).toBeCloseTo(weights[index] ?? 0, 6));
  expect(equations.error(weights)).toBeCloseTo(0, 8);
  expect(equations.error(nothing)).toBeCloseTo(equations.energy, 8);
  expect(equations.samples).toBe(100);
  // A large ridge holds to what there was.
  equations.solve(weights, 1e9).forEach((value, index) => expect(value).toBeCloseTo(weights[index] ?? 0, 6));
  expect(Math.max(...equations.solve(nothing, 1e9).map(Math.abs))).toBeLessThan(1e-6);
});

test('rounding with feedback leaves less error than rounding each weight alone', () => {
  const size = 12;
  const gram = definite(size);
  const weights = Float64Array.from(noise([4 * size], 7).values);
  const round = (weight: number): number => Math.round(weight * 4) / 4;
  const error = (rounded: Float64Array): number => {
    let sum = 0;
    for (let row = 0; row < 4; row++) {
      for (let one = 0; one < size; one++) {
        for (let other = 0; other < size; other++) {
          const [first, second] = [row * size + one, row * size + other];
          const change = (weights[first] ?? 0) - (rounded[first] ?? 0);
          sum += change * (gram[one * size + other] ?? 0) * ((weights[second] ?? 0) - (rounded[second] ?? 0));
        }
      }
    }
    return sum;
  };
  const fed = new ErrorFeedback(gram, size).round(weights, round);
  expect([...fed]).toEqual([...fed].map(round));
  expect(error(fed)).toBeLessThan(error(weights.map(round)));
});
