import { KERNEL_START, openKernels, reserve } from './kernels.js';

const FLOAT_BYTES = 4;
/** The kernel takes four rows and four columns at a time. */
const TOGETHER = 4;

/** A square matrix of float32 that is multiplied with many vectors: it lies in a WebAssembly memory of its own. */
export class Matrix {
  readonly #kernel = openKernels();
  readonly #dimension: number;
  /** The dimension, filled up with zeros. */
  readonly #side: number;
  readonly #vectorAt: number;
  readonly #productAt: number;

  /** @param values row-major, dimension × dimension */
  constructor(values: Float64Array, dimension: number) {
    const side = Math.ceil(dimension / TOGETHER) * TOGETHER;
    this.#dimension = dimension;
    this.#side = side;
    this.#vectorAt = KERNEL_START + side * side * FLOAT_BYTES;
    this.#productAt = this.#vectorAt + side * FLOAT_BYTES;
    reserve(this.#kernel, this.#productAt + side * FLOAT_BYTES);
    const rows = this.#floats(KERNEL_START, side * side);
    for (let row = 0; row < dimension; row += 1) {
      rows.set(values.subarray(row * dimension, (row + 1) * dimension), row * side);
    }
  }

  /**
   * The product with a vector of the matrix's dimension, in single precision: within 1e-6 of the vector's length
   * where the matrix is orthogonal.
   */
  times(vector: Float32Array): Float32Array {
    const side = this.#side;
    this.#floats(this.#vectorAt, this.#dimension).set(vector);
    this.#kernel.multiply(KERNEL_START, side, side, this.#vectorAt, this.#productAt);
    return this.#floats(this.#productAt, this.#dimension).slice();
  }

  #floats(at: number, count: number): Float32Array {
    return new Float32Array(this.#kernel.memory.buffer, at, count);
  }
}
