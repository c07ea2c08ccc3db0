import type { CodeArena } from './code-arena.js';
import { codeOffset, type Coded } from './codes.js';

/** The kernels take 16 components and four rows at a time. */
const componentsTogether = 16;
export const rowsTogether = 4;

/** Bytes from one row's codes to the next one's. */
export function strideOf(dimension: number): number {
  return Math.ceil(dimension / componentsTogether) * componentsTogether;
}

/** What one row takes of the arena: its codes, its weight and its residual. */
export function rowBytes(dimension: number): number {
  return strideOf(dimension) + 2 * Float32Array.BYTES_PER_ELEMENT;
}

/**
 * The codes of up to `capacity` templates, in the arena: four runs of capacity / 4 rows, so that a scan reads four
 * streams of memory at once. Row r lies in run r mod 4. A byte is code + 128. Rows that are not in use are zero.
 */
export class CodeBlock {
  readonly dimension: number;
  /** A multiple of four. */
  readonly capacity: number;
  readonly stride: number;
  /** Of the codes. */
  readonly address: number;
  /** Of one float32 a row, in the order of the rows: see {@link Coded}. */
  readonly weights: number;
  readonly residuals: number;
  readonly #arena: CodeArena;

  constructor(arena: CodeArena, dimension: number, capacity: number) {
    this.#arena = arena;
    this.dimension = dimension;
    this.capacity = capacity;
    this.stride = strideOf(dimension);
    this.address = arena.allocate(rowBytes(dimension) * capacity);
    this.weights = this.address + this.stride * capacity;
    this.residuals = this.weights + Float32Array.BYTES_PER_ELEMENT * capacity;
  }

  /** Bytes of a run. */
  get run(): number {
    return (this.capacity / rowsTogether) * this.stride;
  }

  /** Where a row's codes are. */
  row(row: number): number {
    return this.address + (row % rowsTogether) * this.run + Math.floor(row / rowsTogether) * this.stride;
  }

  weightOf(row: number): number {
    return this.#arena.floats[this.weights / 4 + row] ?? 0;
  }

  residualOf(row: number): number {
    return this.#arena.floats[this.residuals / 4 + row] ?? 0;
  }

  put(row: number, { codes, weight, residual }: Coded): void {
    const { bytes } = this.#arena;
    const start = this.row(row);
    for (let index = 0; index < this.dimension; index += 1) bytes[start + index] = (codes[index] ?? 0) + codeOffset;
    this.#rate(row, weight, residual);
  }

  /** Copies a row of another block, or of this one. */
  copy(row: number, from: CodeBlock, fromRow: number): void {
    const start = from.row(fromRow);
    this.#arena.bytes.copyWithin(this.row(row), start, start + this.stride);
    this.#rate(row, from.weightOf(fromRow), from.residualOf(fromRow));
  }

  /** Leaves nothing of a template that is gone. */
  clear(row: number): void {
    const start = this.row(row);
    this.#arena.bytes.fill(0, start, start + this.stride);
    this.#rate(row, 0, 0);
  }

  /** This block's rows in a new one with more room; this one is gone. */
  grown(capacity: number): CodeBlock {
    const block = new CodeBlock(this.#arena, this.dimension, capacity);
    for (let row = 0; row < this.capacity; row += 1) block.copy(row, this, row);
    this.release();
    return block;
  }

  release(): void {
    this.#arena.release(this.address, rowBytes(this.dimension) * this.capacity);
  }

  #rate(row: number, weight: number, residual: number): void {
    const { floats } = this.#arena;
    floats[this.weights / 4 + row] = weight;
    floats[this.residuals / 4 + row] = residual;
  }
}
