import { cosine } from '@sightline/matching';

import type { Candidate, GalleryFilter } from '../gallery.js';
import { BatchScan } from './batch-scan.js';
import { BestRows } from './best-rows.js';
import type { CodeArena } from './code-arena.js';
import type { Coded } from './codes.js';
import { NearestPeople } from './nearest-people.js';
import type { Partition } from './partition.js';
import { RowScan, type RowChoice } from './row-scan.js';

/** A probe's stored form, how many people it wants, and who may be among them. */
export interface Probe {
  readonly vector: Float32Array;
  /** At least 1. */
  readonly limit: number;
  readonly filter?: GalleryFilter | undefined;
}

/** Rounding of the bound's own arithmetic: seven float32 operations on numbers about 1, 6e-8 each, with room to spare. */
const rounding = 1e-6;
/** Up to here each probe is scanned alone. Measured at 100,000 templates: 4 ms a probe; 20 for 5 to 16 together, 25 for 32. */
const aloneUpTo = 4;
/** Where at most this share of the rows passes a filter, these are looked up one by one instead of scanning all. */
const largestListedShare = 1 / 4;

/** Filters of which the rows are remembered, of a partition. */
const largestChoices = 32;

interface KnownChoices {
  /** Of the partition. */
  readonly version: number;
  readonly choices: Map<string, RowChoice>;
}

/**
 * Finds the nearest people of each probe: equal to brute force over the stored forms.
 *
 * A scan of the codes gives each row an upper bound of its score (see {@link Coded}). Rows are then scored from their
 * stored form, highest bound first, until the bound of all that remain is below the score of the last person wanted:
 * no row left could change the answer. Where the rows at hand run out before that, more are taken, in the end all.
 */
export class ExactSearch {
  readonly #rows: RowScan;
  readonly #batch: BatchScan;
  readonly #choices = new WeakMap<Partition, KnownChoices>();

  private constructor(arena: CodeArena, batch: BatchScan) {
    this.#rows = new RowScan(arena);
    this.#batch = batch;
  }

  /** @throws AppError `MODEL.INVALID` where ONNX Runtime cannot multiply integers */
  static async open(arena: CodeArena): Promise<ExactSearch> {
    return new ExactSearch(arena, await BatchScan.open(arena));
  }

  /** The partition must not change until the promise has resolved. */
  async search(partition: Partition, probes: readonly Probe[]): Promise<readonly (readonly Candidate[])[]> {
    const choices = probes.map(({ filter }) => this.#choice(partition, filter));
    const first = probes.map(({ limit }) => new BestRows(Math.min(firstRows(limit), partition.size)));
    const together = probes.flatMap((probe, index) => {
      const [choice, best] = [choices[index], first[index]];
      if (!choice || choice.listed || !best) return [];
      return [{ index, coded: BatchScan.code(probe.vector), passing: choice.passing, best }];
    });
    const batched = together.length > aloneUpTo ? together : [];
    if (batched.length > 0) await this.#batch.offer(partition, batched);
    const ranked = new Map(batched.map(({ index, coded, best }) => [index, { best, coded }]));
    return probes.map((probe, index) => this.#nearest(partition, probe, choices[index] ?? {}, ranked.get(index)));
  }

  /** Kept until the partition changes: the filters of a site's cameras are always the same few. */
  #choice(partition: Partition, filter: GalleryFilter | undefined): RowChoice {
    if (filter === undefined) return {};
    let known = this.#choices.get(partition);
    if (known?.version !== partition.version || known.choices.size >= largestChoices) {
      known = { version: partition.version, choices: new Map() };
      this.#choices.set(partition, known);
    }
    const text = JSON.stringify([filter.site, filter.groups]);
    const choice = known.choices.get(text) ?? choiceOf(partition, filter);
    known.choices.set(text, choice);
    return choice;
  }

  /** @param ranked the first rows, where they are known already */
  #nearest(
    partition: Partition,
    probe: Probe,
    choice: RowChoice,
    ranked: { readonly best: BestRows; readonly coded: Coded } | undefined,
  ): readonly Candidate[] {
    const limit = Math.min(probe.limit, partition.people);
    if (limit === 0) return [];
    const scoring = { partition, probe: probe.vector, people: new NearestPeople(limit), scored: new Set<number>() };
    if (ranked && scoreDownTo(scoring, ranked.best, slackOf(ranked.coded))) return scoring.people.ranked();
    const coded = RowScan.code(probe.vector);
    for (let rows = firstRows(limit); ; rows *= 4) {
      const best = new BestRows(Math.min(rows, partition.size));
      this.#rows.offer(partition, coded, choice, best);
      if (scoreDownTo(scoring, best, slackOf(coded))) return scoring.people.ranked();
    }
  }
}

/** Enough at the first go for nearly every probe; the bound, not this number, decides. */
function firstRows(limit: number): number {
  return 8 * limit + 56;
}

/** What a row's score may exceed its ranked bound by. */
function slackOf({ residual }: Coded): number {
  return residual + rounding;
}

function choiceOf(partition: Partition, filter: GalleryFilter): RowChoice {
  const passing = partition.passing(filter);
  let count = 0;
  for (const passes of passing) count += passes;
  if (count > largestListedShare * partition.size) return { passing };
  const listed = new Int32Array(count);
  let next = 0;
  for (let row = 0; next < count; row += 1) if (passing[row]) listed[next++] = row;
  return { passing, listed };
}

interface Scoring {
  readonly partition: Partition;
  readonly probe: Float32Array;
  readonly people: NearestPeople;
  /** Rows that have been scored already. */
  readonly scored: Set<number>;
}

/** @returns whether no row that was not scored could change the answer */
function scoreDownTo({ partition, probe, people, scored }: Scoring, best: BestRows, slack: number): boolean {
  for (const { row, bound } of best.ranked()) {
    // At equality the row may still win a tie, so it is scored.
    if (bound + slack < people.floor) return true;
    const { personId, templateId } = partition.idsOf(row);
    if (scored.has(row) || bound + slack < people.scoreOf(personId)) continue;
    scored.add(row);
    people.offer({ personId, templateId, score: cosine(probe, partition.vector(row)) });
  }
  return best.bar === -Infinity || best.bar + slack < people.floor;
}
