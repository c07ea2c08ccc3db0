import { openSession, Tensor, type OnnxSession } from '@sightline/onnx-runtime';

import type { BestRows } from './best-rows.js';
import type { CodeArena } from './code-arena.js';
import { rowsTogether, strideOf, type CodeBlock } from './code-block.js';
import { codeProbe, largestNarrowCode, type Coded } from './codes.js';
import { matmulModel } from './matmul-model.js';
import { rowsPerBlock, type Partition } from './partition.js';
import { groupsOf, groupsPerCall, offsetOf } from './row-scan.js';
import { Scratch } from './scratch.js';

/** Row, probe and bound. */
const foundBytes = 12;
/** Offset, weight, coded length and bar of a probe. */
const termsPerProbe = 4;

/** One probe of a batch. */
export interface BatchProbe {
  readonly coded: Coded;
  /** As in `RowChoice`. */
  readonly passing?: Uint8Array | undefined;
  readonly best: BestRows;
}

/** Compares several probes with all rows: ONNX Runtime multiplies them in place, our own kernel ranks the products. */
export class BatchScan {
  readonly #session: OnnxSession;
  readonly #arena: CodeArena;
  readonly #products: Scratch;
  readonly #found: Scratch;
  readonly #terms: Scratch;

  private constructor(session: OnnxSession, arena: CodeArena) {
    this.#session = session;
    this.#arena = arena;
    [this.#products, this.#found, this.#terms] = [new Scratch(arena), new Scratch(arena), new Scratch(arena)];
  }

  /** @throws AppError `MODEL.INVALID` where ONNX Runtime cannot multiply integers */
  static async open(arena: CodeArena): Promise<BatchScan> {
    return new BatchScan(await openSession(matmulModel()), arena);
  }

  /** Codes a probe for {@link offer}. */
  static code(vector: Float32Array): Coded {
    return codeProbe(vector, largestNarrowCode);
  }

  /** Offers to each probe's `best` the rows whose bound can enter, with their bound. */
  async offer(partition: Partition, probes: readonly BatchProbe[]): Promise<void> {
    const width = Math.ceil(probes.length / 4) * 4;
    const matrix = matrixOf(probes, strideOf(partition.name.dimension), width);
    const terms = this.#terms.of(4 * termsPerProbe * width);
    this.#writeTerms(terms, probes, width);
    for (const [index, block] of partition.blocks.entries()) {
      const start = index * rowsPerBlock;
      const groups = groupsOf(partition, start);
      const products = await this.#multiply(block, groups, matrix, width);
      this.#rank(partition, { block, start, groups, products, width, terms }, probes);
    }
  }

  /** @returns where the products are: in four runs of `groups` rows, of `width` int32 a row */
  async #multiply(block: CodeBlock, groups: number, matrix: Int8Array, width: number): Promise<number> {
    const products = this.#products.of(4 * rowsPerBlock * width);
    const { stride, run, address } = block;
    const whole = groups * rowsTogether === block.capacity;
    const [parts, rows] = whole ? [1, block.capacity] : [rowsTogether, groups];
    for (let part = 0; part < parts; part += 1) {
      const codes = new Uint8Array(this.#arena.bytes.buffer, address + part * run, rows * stride);
      const output = new Int32Array(this.#arena.bytes.buffer, products + 4 * part * rows * width, rows * width);
      await this.#session.run(
        { rows: new Tensor('uint8', codes, [rows, stride]), probes: new Tensor('int8', matrix, [stride, width]) },
        { products: new Tensor('int32', output, [rows, width]) },
      );
    }
    return products;
  }

  #rank(partition: Partition, part: RankedPart, probes: readonly BatchProbe[]): void {
    const { block, start, groups, products, width, terms } = part;
    const found = this.#found.of(groupsPerCall * rowsTogether * width * foundBytes);
    const { ints, floats, kernels } = this.#arena;
    for (let group = 0; group < groups; group += groupsPerCall) {
      const ratings = 4 * rowsTogether * group;
      const count = kernels.rank(
        products + 4 * width * group,
        4 * width * groups,
        Math.min(groupsPerCall, groups - group),
        width,
        block.weights + ratings,
        block.residuals + ratings,
        terms,
        found,
      );
      const first = start + rowsTogether * group;
      for (let index = 0; index < count; index += 1) {
        const at = found / 4 + 3 * index;
        const row = first + (ints[at] ?? 0);
        const probe = probes[ints[at + 1] ?? 0];
        if (probe && row < partition.size && probe.passing?.[row] !== 0) probe.best.offer(row, floats[at + 2] ?? 0);
      }
      writeBars(floats, terms, probes, width);
    }
  }

  #writeTerms(terms: number, probes: readonly BatchProbe[], width: number): void {
    const { ints, floats } = this.#arena;
    ints.fill(0, terms / 4, terms / 4 + termsPerProbe * width);
    probes.forEach(({ coded }, index) => {
      const at = terms / 4 + index;
      ints[at] = offsetOf(coded);
      floats[at + width] = coded.weight;
      floats[at + 2 * width] = coded.codedLength;
    });
    writeBars(floats, terms, probes, width);
  }
}

interface RankedPart {
  readonly block: CodeBlock;
  /** The first row of the block. */
  readonly start: number;
  readonly groups: number;
  readonly products: number;
  readonly width: number;
  readonly terms: number;
}

/** A place without a probe is never found. */
function writeBars(floats: Float32Array, terms: number, probes: readonly BatchProbe[], width: number): void {
  const bars = terms / 4 + 3 * width;
  for (let index = 0; index < width; index += 1) floats[bars + index] = probes[index]?.best.bar ?? Infinity;
}

/** The probes' codes as columns. */
function matrixOf(probes: readonly BatchProbe[], stride: number, width: number): Int8Array {
  const matrix = new Int8Array(stride * width);
  probes.forEach(({ coded: { codes } }, column) => {
    for (let row = 0; row < codes.length; row += 1) matrix[row * width + column] = codes[row] ?? 0;
  });
  return matrix;
}
