import { choleskyOf, solveRows } from './cholesky.js';

/** Samples are summed in blocks, so that a matrix of features × features is walked over once a block. */
const BLOCK = 32;
/** Added to the diagonal whatever the ridge is, relative to its mean: features may be exactly dependent. */
const SMALLEST_RIDGE = 1e-9;

/**
 * The sums of a linear least-squares problem with many targets over the same features, in float64. Memory:
 * features × (features + targets) numbers, whatever the number of samples.
 */
export class NormalEquations {
  readonly #features: number;
  readonly #targets: number;
  readonly #gram: Float64Array;
  readonly #cross: Float64Array;
  readonly #block: Float64Array;
  #filled = 0;
  #samples = 0;
  #energy = 0;

  constructor(features: number, targets: number) {
    this.#features = features;
    this.#targets = targets;
    this.#gram = new Float64Array(features * features);
    this.#cross = new Float64Array(targets * features);
    this.#block = new Float64Array((features + targets) * BLOCK);
  }

  get samples(): number {
    return this.#samples;
  }

  /** Sum of the squares of all targets. */
  get energy(): number {
    return this.#energy;
  }

  /** @param sample the features, then the targets */
  add(sample: ArrayLike<number>): void {
    const width = this.#features + this.#targets;
    for (let index = 0; index < width; index++) this.#block[index * BLOCK + this.#filled] = sample[index] ?? 0;
    for (let index = this.#features; index < width; index++) this.#energy += (sample[index] ?? 0) ** 2;
    this.#filled += 1;
    this.#samples += 1;
    if (this.#filled === BLOCK) this.#flush();
  }

  /** The sum of products of features, symmetric, `features` × `features`, row-major: a copy. */
  gram(): Float64Array {
    this.#flush();
    const size = this.#features;
    const gram = this.#gram.slice();
    for (let row = 0; row < size; row++) {
      for (let column = row + 1; column < size; column++) gram[row * size + column] = gram[column * size + row] ?? 0;
    }
    return gram;
  }

  /**
   * The weights [targets, features] that leave the smallest squares of targets − weights·features, plus `ridge`
   * × energy of the feature × squares of the change from the weights as they are (Hoerl & Kennard 1970, with a
   * prior).
   */
  solve(prior: Float64Array, ridge: number): Float64Array {
    const gram = this.gram();
    const size = this.#features;
    const change = this.#cross.slice();
    for (let start = 0; start < prior.length; start += size) subtractProduct(change, prior, gram, start, size);
    let trace = 0;
    for (let index = 0; index < size; index++) trace += gram[index * size + index] ?? 0;
    const least = (SMALLEST_RIDGE * trace) / size || 1;
    for (let index = 0; index < size; index++) {
      const diagonal = index * size + index;
      gram[diagonal] = (gram[diagonal] ?? 0) * (1 + ridge) + least;
    }
    solveRows(choleskyOf(gram, size), size, change);
    return change.map((value, index) => value + (prior[index] ?? 0));
  }

  /** Sum of the squares of targets − weights·features. */
  error(weights: Float64Array): number {
    const gram = this.gram();
    const size = this.#features;
    // ‖y − Wx‖² = ‖y‖² − W·(2·yxᵀ − W·xxᵀ)
    const rest = this.#cross.map((value) => 2 * value);
    for (let start = 0; start < weights.length; start += size) subtractProduct(rest, weights, gram, start, size);
    const explained = rest.reduce((sum, value, index) => sum + value * (weights[index] ?? 0), 0);
    return Math.max(0, this.#energy - explained);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    const size = this.#features;
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        const index = row * size + column;
        this.#gram[index] = (this.#gram[index] ?? 0) + this.#product(row, column);
      }
    }
    for (let target = 0; target < this.#targets; target++) {
      for (let feature = 0; feature < size; feature++) {
        const index = target * size + feature;
        this.#cross[index] = (this.#cross[index] ?? 0) + this.#product(size + target, feature);
      }
    }
    this.#block.fill(0);
    this.#filled = 0;
  }

  #product(one: number, other: number): number {
    const block = this.#block;
    const [first, second] = [one * BLOCK, other * BLOCK];
    let sum = 0;
    for (let index = 0; index < BLOCK; index++) sum += (block[first + index] ?? 0) * (block[second + index] ?? 0);
    return sum;
  }
}

/** rest −= row · matrix, for the row of weights that begins at `start`. */
function subtractProduct(rest: Float64Array, weights: Float64Array, matrix: Float64Array, start: number, size: number) {
  for (let feature = 0; feature < size; feature++) {
    const weight = weights[start + feature] ?? 0;
    if (weight === 0) continue;
    for (let other = 0; other < size; other++) {
      rest[start + other] = (rest[start + other] ?? 0) - weight * (matrix[feature * size + other] ?? 0);
    }
  }
}
