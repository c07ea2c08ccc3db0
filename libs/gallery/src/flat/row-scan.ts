import { writeProbeCodes } from '@sightline/template-protection';

import type { BestRows } from './best-rows.js';
import type { CodeArena } from './code-arena.js';
import { rowsTogether, strideOf, type CodeBlock } from './code-block.js';
import { codeOffset, codeProbe, largestWideCode, type Coded } from './codes.js';
import { rowsPerBlock, type Partition } from './partition.js';
import { Scratch } from './scratch.js';

/** Groups of four rows that one call of a kernel looks at: after it the bar is raised. */
export const groupsPerCall = 128;
/** Offset, weight and coded length, before a probe's codes. */
const probeHeader = 16;
/** Row and bound. */
const foundBytes = 8;

/** The rows that a search is about: all but those for which `passing` is 0. */
export interface RowChoice {
  readonly passing?: Uint8Array | undefined;
  /** Those for which it is 1, where they are so few that they are looked up one by one. */
  readonly listed?: Int32Array | undefined;
}

/** Compares one probe with many rows by our own kernel, which reads memory about as fast as the machine can. */
export class RowScan {
  readonly #arena: CodeArena;
  readonly #probe: Scratch;
  readonly #found: Scratch;
  readonly #list: Scratch;

  constructor(arena: CodeArena) {
    this.#arena = arena;
    [this.#probe, this.#found, this.#list] = [new Scratch(arena), new Scratch(arena), new Scratch(arena)];
  }

  /** Codes a probe for {@link offer}. */
  static code(vector: Float32Array): Coded {
    return codeProbe(vector, largestWideCode(vector.length));
  }

  /** Offers to `best` the rows whose bound can enter, with their bound. */
  offer(partition: Partition, coded: Coded, choice: RowChoice, best: BestRows): void {
    const { dimension } = partition.name;
    const probe = this.#probe.of(probeHeader + 2 * strideOf(dimension));
    writeProbe(this.#arena, probe, coded);
    if (choice.listed) this.#offerListed(partition, choice.listed, probe, best);
    else this.#offerAll(partition, choice.passing, probe, best);
  }

  #offerAll(partition: Partition, passing: Uint8Array | undefined, probe: number, best: BestRows): void {
    const found = this.#found.of(groupsPerCall * rowsTogether * foundBytes);
    const { ints, floats, kernels } = this.#arena;
    forEachCall(partition, (block, start, group, groups) => {
      const { address, run, stride, weights, residuals } = block;
      const ratings = 4 * rowsTogether * group;
      const count = kernels.scan(
        address + group * stride,
        run,
        groups,
        stride,
        probe,
        weights + ratings,
        residuals + ratings,
        best.bar,
        found,
      );
      const first = start + rowsTogether * group;
      for (let index = 0; index < count; index += 1) {
        const at = found / 4 + 2 * index;
        const row = first + (ints[at] ?? 0);
        if (row >= partition.size || passing?.[row] === 0) continue;
        best.offer(row, floats[at + 1] ?? 0);
      }
    });
  }

  #offerListed(partition: Partition, listed: Int32Array, probe: number, best: BestRows): void {
    const together = groupsPerCall * rowsTogether;
    const [list, found] = [this.#list.of(3 * 4 * together), this.#found.of(together * foundBytes)];
    const [weights, residuals] = [list + 4 * together, list + 8 * together];
    const { ints, floats, kernels } = this.#arena;
    for (let first = 0; first < listed.length; first += together) {
      const rows = listed.subarray(first, first + together);
      const groups = Math.ceil(rows.length / rowsTogether);
      for (let index = 0; index < groups * rowsTogether; index += 1) {
        // The last group is filled up with a row that is there.
        const row = rows[Math.min(index, rows.length - 1)] ?? 0;
        const block = blockOf(partition, row);
        ints[list / 4 + index] = block.row(row % rowsPerBlock);
        floats[weights / 4 + index] = block.weightOf(row % rowsPerBlock);
        floats[residuals / 4 + index] = block.residualOf(row % rowsPerBlock);
      }
      const stride = strideOf(partition.name.dimension);
      const count = kernels.scanListed(list, groups, stride, probe, weights, residuals, best.bar, found);
      for (let index = 0; index < count; index += 1) {
        const at = found / 4 + 2 * index;
        const row = rows[ints[at] ?? 0];
        if (row !== undefined) best.offer(row, floats[at + 1] ?? 0);
      }
    }
  }
}

/** Cuts a partition into what one call of a kernel looks at: `groups` groups of four rows from `group` of a block on. */
export function forEachCall(
  partition: Partition,
  visit: (block: CodeBlock, start: number, group: number, groups: number) => void,
): void {
  partition.blocks.forEach((block, index) => {
    const start = index * rowsPerBlock;
    const all = groupsOf(partition, start);
    for (let group = 0; group < all; group += groupsPerCall) {
      visit(block, start, group, Math.min(groupsPerCall, all - group));
    }
  });
}

/** Groups of four rows that are in use, of the block that begins with a row. */
export function groupsOf(partition: Partition, start: number): number {
  return Math.ceil(Math.min(rowsPerBlock, partition.size - start) / rowsTogether);
}

/** 128 times the sum of a probe's codes: what a product with stored bytes has too much. */
export function offsetOf({ codes }: Coded): number {
  return codeOffset * codes.reduce((sum, code) => sum + code, 0);
}

function blockOf(partition: Partition, row: number): CodeBlock {
  const block = partition.blocks[Math.floor(row / rowsPerBlock)];
  if (!block) throw new RangeError(`there is no block for row ${row}`);
  return block;
}

/** As `assembly/scan.ts` wants it. */
function writeProbe({ ints, floats, bytes }: CodeArena, address: number, { codes, weight, codedLength }: Coded): void {
  const written = new Int16Array(bytes.buffer, address + probeHeader, strideOf(codes.length));
  ints[address / 4] = writeProbeCodes(codes, written);
  floats[address / 4 + 1] = weight;
  floats[address / 4 + 2] = codedLength;
}
