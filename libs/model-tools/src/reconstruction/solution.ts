import type { Convolution } from '../convolution.js';
import type { LayerSamples } from './layer-samples.js';

/** Weights of a layer, each output's followed by its bias: [outputs, features + 1], row-major. */
export type LayerWeights = Float64Array;

export interface Solution {
  readonly weights: LayerWeights;
  readonly ridge: number;
}

/** Of a change of weights, relative to their features' energy: what is chosen from for each layer. */
const RIDGES = [1e-4, 1e-2, 0.1, 1, 10] as const;

export function weightsOf({ weights, bias, outputs }: Convolution): LayerWeights {
  const size = weights.values.length / outputs;
  const rows = new Float64Array(outputs * (size + 1));
  for (let output = 0; output < outputs; output++) {
    rows.set(weights.values.subarray(output * size, (output + 1) * size), output * (size + 1));
    rows[output * (size + 1) + size] = bias?.values[output] ?? 0;
  }
  return rows;
}

/**
 * The weights that do best where they were not solved from, out of those that were solved with several ridges and
 * those that there were.
 *
 * @param prior the weights as they are
 * @param origin what a ridge holds solutions near to
 * @param finish what is done to solved weights before they are judged
 */
export function bestSolution(
  prior: LayerWeights,
  origin: LayerWeights,
  { fit, check }: LayerSamples,
  finish: (weights: LayerWeights) => LayerWeights = (weights) => weights,
): Solution {
  let best: Solution = { weights: prior, ridge: Number.POSITIVE_INFINITY };
  let least = check.error(prior);
  for (const ridge of RIDGES) {
    const weights = finish(fit.solve(origin, ridge));
    const error = check.error(weights);
    if (error >= least) continue;
    best = { weights, ridge };
    least = error;
  }
  return best;
}
