import { AppError, isAppError, silentLogger, type Logger, type TemplateId } from '@sightline/kernel';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import type { Candidate, Gallery, GalleryEntry, PartitionSize, SearchOptions } from '../gallery.js';
import type { PartitionProbe } from './flat-gallery-calls.js';
import { Ledger, type RecordedChange } from './ledger.js';
import { ProbeBatcher } from './probe-batcher.js';
import { SearchThread } from './search-thread.js';
import { changeOfShare, nearestOfAll, shares } from './shares.js';

export interface FlatGalleryOptions {
  readonly log?: Logger;
}

/** Templates in one message to a worker that is being filled. */
const changeSize = 2_000;
const largestLimit = 10_000;
/** Workers need real JavaScript; from src/ and from dist/ this is the built module. */
const builtWorker = new URL('../../dist/flat/flat-gallery-worker.js', import.meta.url);

/**
 * A gallery in memory: int8 codes that two worker threads scan, each its share of a partition, and the best rows scored
 * from their stored form. Exact, for up to about 250,000 templates a partition. Content is lost with the process.
 */
export async function openFlatGallery(options: FlatGalleryOptions = {}): Promise<Gallery> {
  const gallery = new FlatGallery(options);
  await gallery.start();
  return gallery;
}

/**
 * Invariants: a change is recorded in the ledger before the threads hear of it, and they hear of changes in the order
 * in which they were recorded; so a thread's successor, filled from the ledger, may hear of some changes twice, and
 * ends with the same content. A search is sent to all threads at once, so that none is before a change and another
 * after it.
 */
export class FlatGallery implements Gallery {
  readonly #ledger = new Ledger();
  readonly #threads: readonly SearchThread[];
  readonly #batcher: ProbeBatcher<PartitionProbe, readonly Candidate[]>;

  /** @param module what the threads run; a test's may die on purpose */
  constructor({ log = silentLogger }: FlatGalleryOptions = {}, module = builtWorker) {
    this.#threads = Array.from({ length: shares }, (_, share) => {
      return new SearchThread({ module, replay: () => this.#ledger.replay(changeSize, share), log });
    });
    this.#batcher = new ProbeBatcher((probes) => this.#retrying(() => this.#searchAll(probes)));
  }

  /** @throws what a thread cannot start for; then none is left */
  async start(): Promise<void> {
    try {
      await Promise.all(this.#threads.map((thread) => thread.start()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async upsert(entries: readonly GalleryEntry[]): Promise<void> {
    if (entries.length > 0) await this.#apply(this.#ledger.upsert(entries));
  }

  async remove(templateIds: readonly TemplateId[]): Promise<void> {
    const recorded = this.#ledger.remove(templateIds);
    if (recorded.displaced.length > 0) await this.#apply(recorded);
  }

  async search(
    probes: readonly Template[],
    { limit, filter, signal }: SearchOptions,
  ): Promise<readonly (readonly Candidate[])[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > largestLimit) {
      throw new AppError('REQUEST.INVALID', `The limit of a search is a whole number from 1 to ${largestLimit}.`);
    }
    const searches = probes.map((template): PartitionProbe | undefined => {
      const partition = this.#ledger.partitionFor(template);
      return partition && { partition, vector: decodeTemplate(template), limit, filter };
    });
    return Promise.all(searches.map(async (probe) => (probe ? this.#batcher.ask(probe, signal) : [])));
  }

  async partitions(): Promise<readonly PartitionSize[]> {
    return this.#ledger.sizes();
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  async #searchAll(probes: readonly PartitionProbe[]): Promise<readonly (readonly Candidate[])[]> {
    const found = await Promise.all(this.#threads.map((thread) => thread.search(probes)));
    return probes.map(({ limit }, probe) =>
      nearestOfAll(
        found.map((answers) => answers[probe] ?? []),
        limit,
      ),
    );
  }

  async #apply({ change, displaced }: RecordedChange): Promise<void> {
    await Promise.all(this.#threads.map((thread, share) => thread.apply(changeOfShare(change, share))));
    // No call that could still read them is under way: leave nothing of what was removed in memory.
    for (const bytes of displaced) bytes.fill(0);
  }

  /** Asks again, once, when a thread died: its successor has the same content. */
  async #retrying<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!isAppError(error, 'WORKER.CRASHED')) throw error;
      // A successor is filled with what came after the question, too: it is asked again when all are as far.
      await Promise.all(this.#threads.map((thread) => thread.settle()));
      return ask();
    }
  }
}
