import { observeActivations } from '../activations.js';
import { eachInput, type InputSet } from '../augmentations.js';
import { NormalEquations } from '../reconstruction/normal-equations.js';
import { placesOf } from '../reconstruction/patches.js';
import type { ModelOutputs } from '../run-model.js';

/** Places of a value that are looked at in one input. */
const PLACES = 4;

/**
 * How the channels of values hang together: for each, the sums of products of its channels and, last, of 1.
 * Memory: the values of one input, and a matrix for each.
 *
 * @param values names, with their channels; of shape [1, channels, height, width]
 */
export async function channelGrams(
  model: Uint8Array,
  values: ReadonlyMap<string, number>,
  inputs: InputSet,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Float64Array>> {
  const sums = new Map([...values].map(([name, channels]) => [name, new NormalEquations(channels + 1, 0)]));
  const visit = (seen: ModelOutputs, index: number): void => {
    for (const [name, equations] of sums) {
      const tensor = seen.get(name);
      if (tensor === undefined) continue;
      const channels = values.get(name) ?? 0;
      const plane = tensor.values.length / channels;
      const sample = new Float64Array(channels + 1).fill(1);
      for (const place of placesOf(plane, PLACES, index)) {
        for (let channel = 0; channel < channels; channel++)
          sample[channel] = tensor.values[channel * plane + place] ?? 0;
        equations.add(sample);
      }
    }
  };
  await observeActivations(model, { values: [...values.keys()], inputs: eachInput(inputs), visit, signal });
  return new Map([...sums].map(([name, equations]) => [name, equations.gram()]));
}
