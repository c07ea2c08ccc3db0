import { cosine } from '@sightline/matching';

import type { Candidate, GalleryFilter } from '../gallery.js';
import { passes } from '../passes.js';
import { BestRows } from './best-rows.js';
import type { CodeBlock } from './code-block.js';
import { codeProbe, type Coded } from './codes.js';
import { NearestPeople } from './nearest-people.js';
import { rowsPerBlock, type Partition } from './partition.js';
import { probeOffset, type Scanner } from './scanner.js';

/** A probe's stored form, and how many people it wants. */
export interface Probe {
  readonly vector: Float32Array;
  /** At least 1. */
  readonly limit: number;
  readonly filter?: GalleryFilter | undefined;
}

/** Rounding of the bound's own arithmetic: float32 weights and components, 6e-8 each, with room to spare. */
const rounding = 1e-6;
/** Products held at once, so that a batch on a large partition does not take memory without bound (32 MB). */
const largestScan = 8_000_000;

/**
 * The nearest people of each probe: equal to brute force over the stored forms.
 *
 * A scan of the codes gives each row an upper bound of its score (see {@link Coded}). Rows are then scored from
 * their stored form, highest bound first, until the bound of all that remain is below the score of the last
 * person wanted: no row left could change the answer. Where the rows at hand run out before that, more are taken,
 * in the end all of them.
 */
export async function searchExactly(
  scanner: Scanner,
  partition: Partition,
  probes: readonly Probe[],
): Promise<readonly (readonly Candidate[])[]> {
  const found: (readonly Candidate[])[] = [];
  const together = Math.max(1, Math.floor(largestScan / Math.max(1, partition.size)));
  for (let first = 0; first < probes.length; first += together) {
    const batch = probes.slice(first, first + together);
    const coded = batch.map(({ vector }) => codeProbe(vector));
    const scans: (readonly Int32Array[])[] = [];
    for (const block of partition.blocks) scans.push(await scanner.scan(coded, block));
    batch.forEach((probe, index) => {
      const products = scans.map((scan) => scan[index] ?? new Int32Array());
      found.push(nearest(partition, probe, coded[index] ?? codeProbe(probe.vector), products));
    });
  }
  return found;
}

function nearest(partition: Partition, probe: Probe, coded: Coded, scan: readonly Int32Array[]): readonly Candidate[] {
  const limit = Math.min(probe.limit, partition.people);
  if (limit === 0) return [];
  const people = new NearestPeople(limit);
  const scored = new Set<number>();
  const slack = coded.residual + rounding;
  const allowed = probe.filter && rowsThat(partition, probe.filter);
  // Enough at the first go for nearly every probe; the bound, not this number, decides.
  for (let rows = 16 * limit + 112; ; rows *= 4) {
    const best = rankByBound(partition, coded, scan, { capacity: Math.min(rows, partition.size), allowed });
    if (scoreDownTo({ partition, probe: probe.vector, slack, people, scored }, best)) return people.ranked();
  }
}

/** Ranks rows by their upper bound, less the part that is the same for all. */
function rankByBound(
  partition: Partition,
  coded: Coded,
  scan: readonly Int32Array[],
  { capacity, allowed }: { readonly capacity: number; readonly allowed: Uint8Array | undefined },
): BestRows {
  const best = new BestRows(capacity);
  partition.blocks.forEach((block, index) => {
    const start = index * rowsPerBlock;
    const columns = Math.min(partition.size - start, rowsPerBlock);
    const products = scan[index] ?? new Int32Array();
    offerColumns(best, { start, block, allowed }, coded, products.subarray(0, columns));
  });
  return best;
}

/** One for each row that passes, zero for the others. */
function rowsThat(partition: Partition, filter: GalleryFilter): Uint8Array {
  return Uint8Array.from({ length: partition.size }, (_, row) =>
    passes(partition.row(row).attributes, filter) ? 1 : 0,
  );
}

interface Columns {
  readonly start: number;
  readonly block: CodeBlock;
  readonly allowed: Uint8Array | undefined;
}

// The one loop over every row: everything that it touches is a local, and nearly every row fails at the bar.
function offerColumns(best: BestRows, { start, block, allowed }: Columns, coded: Coded, products: Int32Array): void {
  const { weights, residuals, sums } = block;
  const { weight, codedLength } = coded;
  let bar = best.bar;
  for (let column = 0; column < products.length; column += 1) {
    const dot = (products[column] ?? 0) - probeOffset * (sums[column] ?? 0);
    const bound = weight * (weights[column] ?? 0) * dot + codedLength * (residuals[column] ?? 0);
    if (bound <= bar || allowed?.[start + column] === 0) continue;
    best.offer(start + column, bound);
    bar = best.bar;
  }
}

interface Scoring {
  readonly partition: Partition;
  readonly probe: Float32Array;
  /** What a row's score may exceed its ranked bound by. */
  readonly slack: number;
  readonly people: NearestPeople;
  /** Rows that have been scored already. */
  readonly scored: Set<number>;
}

/** @returns whether no row that was not scored could change the answer */
function scoreDownTo({ partition, probe, slack, people, scored }: Scoring, best: BestRows): boolean {
  const ranked = best.ranked();
  for (const { row, bound } of ranked) {
    // At equality the row may still win a tie, so it is scored.
    if (bound + slack < people.floor) return true;
    const { personId, templateId } = partition.row(row);
    if (scored.has(row) || bound + slack < people.scoreOf(personId)) continue;
    scored.add(row);
    people.offer({ personId, templateId, score: cosine(probe, partition.vector(row)) });
  }
  return !best.full || ranked.length === partition.size || best.bar + slack < people.floor;
}
