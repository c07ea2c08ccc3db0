import { expect, test } from 'vitest';

import { layersToKeepFloat } from './keep-float.js';

/** What each layer costs when it is quantised. */
const harm: Readonly<Record<string, number>> = { a: 0.01, b: 0.2, c: 0.05, d: 0.001 };
const layers = Object.keys(harm);
const tryWith = (kept: ReadonlySet<string>) => {
  const lost = layers.filter((layer) => !kept.has(layer)).reduce((sum, layer) => sum + (harm[layer] ?? 0), 0);
  const rest = { p1: 0, min: 0 };
  return Promise.resolve({
    inputs: 1,
    outputs: [
      { output: 'o', mean: 1, ...rest },
      { output: 'p', mean: 1 - lost, ...rest },
    ],
  });
};

test('the most harmful layers are given back first, until the agreement is reached', async () => {
  let trials = 0;
  const onTrial = (): void => {
    trials += 1;
  };
  const kept = await layersToKeepFloat({ mean: 0.98, mostLayers: 4 }, { layers, tryWith, onTrial });
  expect(kept.map(({ layer }) => layer)).toEqual(['b', 'c']);
  expect(kept[0]?.alone).toBeCloseTo(0.939);
  expect(kept[1]?.together).toBeCloseTo(0.989);
  expect(trials).toBe(1 + 4 + 2);
});

test('none is given back when there is no need, and no more than allowed', async () => {
  expect(await layersToKeepFloat({ mean: 0.7, mostLayers: 4 }, { layers, tryWith })).toEqual([]);
  expect(await layersToKeepFloat({ mean: 1, mostLayers: 0 }, { layers, tryWith })).toEqual([]);
  expect((await layersToKeepFloat({ mean: 1, mostLayers: 1 }, { layers, tryWith })).length).toBe(1);
});

test('an abort ends the search', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(layersToKeepFloat({ mean: 1, mostLayers: 4 }, { layers, tryWith, signal })).rejects.toThrow('enough');
});
