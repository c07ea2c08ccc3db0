import { largestArenaBytes } from './code-arena.js';
import { rowBytes } from './code-block.js';
import { roomFor } from './partition.js';
import { largestShareOf, shares } from './shares.js';

/** Two threads with ONNX Runtime, and what batches of searches need. Measured: 81 MB. */
const fixedBytes = 95_000_000;
/**
 * Ids, sites, groups and where everything is, on both threads, garbage that is not collected yet included. Measured at
 * 200,000 templates: 920 to 980 bytes.
 */
const bookkeepingBytes = 1000;
/** float16, which templates from photos are stored in; int8 takes half. */
const storedComponentBytes = 2;
/** Blocks that partitions have grown out of, or shrunk from, wait to be used again. */
const largestUsedShare = 0.9;

/**
 * What the codes of a partition may take together, bytes: they lie in one memory with 32-bit addresses. 7.4 million
 * templates of 512 components.
 */
export const largestCodeBytes = largestUsedShare * largestArenaBytes;

/** Codes of one partition at most, in all shares, bytes. */
export function codeBytesFor(templates: number, dimension: number): number {
  return templates === 0 ? 0 : shares * roomFor(largestShareOf(templates)) * rowBytes(dimension);
}

/**
 * The memory that a flat gallery with these partitions will need at most, bytes: codes, stored forms (as float16) and
 * bookkeeping.
 */
export function memoryFor(partitions: readonly { readonly templates: number; readonly dimension: number }[]): number {
  return partitions.reduce(
    (sum, { templates, dimension }) =>
      sum + codeBytesFor(templates, dimension) + templates * (storedComponentBytes * dimension + bookkeepingBytes),
    fixedBytes,
  );
}
