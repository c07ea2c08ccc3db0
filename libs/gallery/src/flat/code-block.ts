import type { Coded } from './codes.js';

/**
 * The codes of up to `capacity` templates, one a column, so that ONNX Runtime multiplies them in place:
 * [dimension, capacity], row-major. Columns beyond those in use are zero.
 */
export class CodeBlock {
  readonly dimension: number;
  readonly capacity: number;
  readonly codes: Int8Array;
  /** One a column: see {@link Coded}. */
  readonly weights: Float32Array;
  readonly residuals: Float32Array;
  /** Sum of a column's codes, which takes the probe's offset out of a product. */
  readonly sums: Int32Array;

  constructor(dimension: number, capacity: number) {
    this.dimension = dimension;
    this.capacity = capacity;
    this.codes = new Int8Array(dimension * capacity);
    this.weights = new Float32Array(capacity);
    this.residuals = new Float32Array(capacity);
    this.sums = new Int32Array(capacity);
  }

  put(column: number, { codes, weight, residual }: Coded): void {
    let sum = 0;
    for (let row = 0; row < this.dimension; row += 1) {
      const code = codes[row] ?? 0;
      this.codes[row * this.capacity + column] = code;
      sum += code;
    }
    this.weights[column] = weight;
    this.residuals[column] = residual;
    this.sums[column] = sum;
  }

  /** Copies a column of another block, or of this one. */
  copy(column: number, from: CodeBlock, fromColumn: number): void {
    for (let row = 0; row < this.dimension; row += 1) {
      this.codes[row * this.capacity + column] = from.codes[row * from.capacity + fromColumn] ?? 0;
    }
    this.weights[column] = from.weights[fromColumn] ?? 0;
    this.residuals[column] = from.residuals[fromColumn] ?? 0;
    this.sums[column] = from.sums[fromColumn] ?? 0;
  }

  /** Leaves nothing of a template that is gone. */
  clear(column: number): void {
    for (let row = 0; row < this.dimension; row += 1) this.codes[row * this.capacity + column] = 0;
    this.weights[column] = 0;
    this.residuals[column] = 0;
    this.sums[column] = 0;
  }

  /** This block's columns in a new one with more room. */
  grown(capacity: number): CodeBlock {
    const block = new CodeBlock(this.dimension, capacity);
    for (let row = 0; row < this.dimension; row += 1) {
      block.codes.set(this.codes.subarray(row * this.capacity, (row + 1) * this.capacity), row * capacity);
    }
    block.weights.set(this.weights);
    block.residuals.set(this.residuals);
    block.sums.set(this.sums);
    return block;
  }
}
