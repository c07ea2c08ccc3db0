import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { heaviestMatching } from './tracking-assignment.js';

type Weights = readonly (readonly number[])[];

function total(weights: Weights, matching: readonly (number | undefined)[]): number {
  return matching.reduce<number>(
    (sum, column, row) => sum + (column === undefined ? 0 : (weights[row]?.[column] ?? Number.NaN)),
    0,
  );
}

/** The best sum over all matchings, by trying them. */
function best(weights: Weights, row = 0, taken: ReadonlySet<number> = new Set()): number {
  const line = weights[row];
  if (!line) return 0;
  return line.reduce(
    (most, weight, column) =>
      weight > 0 && !taken.has(column)
        ? Math.max(most, weight + best(weights, row + 1, new Set([...taken, column])))
        : most,
    best(weights, row + 1, taken),
  );
}

const matrices = fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })).chain(([rows, columns]) =>
  fc.array(fc.array(fc.integer({ min: -5, max: 20 }), { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  }),
);

describe('the heaviest matching', () => {
  it('weighs as much as the best of all, uses nothing twice and no forbidden pair', () => {
    fc.assert(
      fc.property(matrices, (weights) => {
        const matching = heaviestMatching(weights);
        expect(matching).toHaveLength(weights.length);
        const columns = matching.filter((column) => column !== undefined);
        expect(new Set(columns).size).toBe(columns.length);
        for (const [row, column] of matching.entries()) {
          if (column !== undefined) expect(weights[row]![column]).toBeGreaterThan(0);
        }
        expect(total(weights, matching)).toBe(best(weights));
      }),
    );
  });

  it('leaves one alone rather than give both a worse partner', () => {
    // Two pairs would weigh 2.
    expect(
      heaviestMatching([
        [10, 1],
        [1, 0],
      ]),
    ).toEqual([0, undefined]);
  });

  it('takes what the greedy way would lose', () => {
    expect(
      heaviestMatching([
        [10, 9],
        [9, 0],
      ]),
    ).toEqual([1, 0]);
  });

  it('takes weights that are no numbers for forbidden', () => {
    expect(heaviestMatching([[Number.NaN, Infinity, -Infinity, 1e-9]])).toEqual([3]);
    expect(heaviestMatching([])).toEqual([]);
    expect(heaviestMatching([[], []])).toEqual([undefined, undefined]);
  });
});
