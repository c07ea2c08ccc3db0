import { choleskyOf, inverseOf } from './cholesky.js';
import type { LayerWeights } from './solution.js';

/** Added to the diagonal, relative to it. */
const DAMPING = 1e-2;

/** The number nearest to a weight that integers can say; by output and feature, the bias being the last feature. */
export type RoundWeight = (weight: number, output: number, feature: number) => number;

/** Rounds weights so that each makes up, as well as it can, for what the rounding of those before it did. */
export class ErrorFeedback {
  readonly #size: number;
  /** The upper triangle U with UᵀU = H⁻¹. */
  readonly #upper: Float64Array;

  /** @param gram H: the sums of products of the features and, last, of 1; [size, size] */
  constructor(gram: Float64Array, size: number) {
    const damped = gram.slice();
    for (let index = 0; index < size; index++) {
      const diagonal = index * size + index;
      damped[diagonal] = (damped[diagonal] ?? 0) * (1 + DAMPING) || 1;
    }
    const lower = choleskyOf(inverseOf(choleskyOf(damped, size), size), size);
    this.#size = size;
    this.#upper = new Float64Array(size * size);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        this.#upper[column * size + row] = lower[row * size + column] ?? 0;
      }
    }
  }

  /** GPTQ (Frantar et al. 2023, algorithm 1, without blocks), for each row of weights. */
  round(weights: LayerWeights, round: RoundWeight): LayerWeights {
    const size = this.#size;
    const rounded = weights.slice();
    for (let start = 0; start < rounded.length; start += size) {
      for (let feature = 0; feature < size; feature++) {
        const weight = rounded[start + feature] ?? 0;
        const nearest = round(weight, start / size, feature);
        rounded[start + feature] = nearest;
        const error = (weight - nearest) / (this.#upper[feature * size + feature] ?? 1);
        if (error === 0) continue;
        for (let later = feature + 1; later < size; later++) {
          const step = error * (this.#upper[feature * size + later] ?? 0);
          rounded[start + later] = (rounded[start + later] ?? 0) - step;
        }
      }
    }
    return rounded;
  }
}
