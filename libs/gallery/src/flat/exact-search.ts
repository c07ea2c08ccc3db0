import { cosine } from '@sightline/matching';

import type { Candidate } from '../gallery.js';
import { BestRows } from './best-rows.js';
import { codeProbe, type Coded } from './codes.js';
import { NearestPeople } from './nearest-people.js';
import { rowsPerBlock, type Partition } from './partition.js';
import type { Scanner } from './scanner.js';

/** A probe's stored form, and how many people it wants. */
export interface Probe {
  readonly vector: Float32Array;
  /** At least 1. */
  readonly limit: number;
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
      const dots = scans.map((scan) => scan[index] ?? new Int32Array());
      found.push(nearest(partition, probe, coded[index] ?? codeProbe(probe.vector), dots));
    });
  }
  return found;
}

function nearest(partition: Partition, probe: Probe, coded: Coded, dots: readonly Int32Array[]): readonly Candidate[] {
  const limit = Math.min(probe.limit, partition.people);
  if (limit === 0) return [];
  for (let rows = 4 * limit + 28; ; rows *= 4) {
    const best = rankByBound(partition, coded, dots, Math.min(rows, partition.size));
    const people = new NearestPeople(limit);
    const slack = coded.residual + rounding;
    if (scoreDownTo(partition, probe.vector, best, slack, people)) return people.ranked();
  }
}

/** Ranks rows by their upper bound, less the part that is the same for all. */
function rankByBound(partition: Partition, coded: Coded, dots: readonly Int32Array[], capacity: number): BestRows {
  const best = new BestRows(capacity);
  partition.blocks.forEach(({ weights, residuals }, index) => {
    const start = index * rowsPerBlock;
    const columns = Math.min(partition.size - start, rowsPerBlock);
    const products = dots[index] ?? new Int32Array();
    for (let column = 0; column < columns; column += 1) {
      const score = coded.weight * (weights[column] ?? 0) * (products[column] ?? 0);
      best.offer(start + column, score + coded.codedLength * (residuals[column] ?? 0));
    }
  });
  return best;
}

/** @returns whether no row that was not scored could change the answer */
function scoreDownTo(
  partition: Partition,
  probe: Float32Array,
  best: BestRows,
  slack: number,
  people: NearestPeople,
): boolean {
  for (const { row, bound } of best.ranked()) {
    // At equality the row may still win a tie, so it is scored.
    if (bound + slack < people.floor) return true;
    const { personId, templateId } = partition.row(row);
    if (bound + slack < people.scoreOf(personId)) continue;
    people.offer({ personId, templateId, score: cosine(probe, partition.vector(row)) });
  }
  return best.dropped === -Infinity || best.dropped + slack < people.floor;
}
