import { AppError, isAppError, silentLogger, type Logger, type TemplateId } from '@sightline/kernel';
import { WorkerPool } from '@sightline/onnx-runtime';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import type { Candidate, Gallery, GalleryEntry, PartitionSize, SearchOptions } from '../gallery.js';
import type { FlatGalleryCalls, PartitionProbe } from './flat-gallery-calls.js';
import { Ledger, type RecordedChange } from './ledger.js';
import { ProbeBatcher } from './probe-batcher.js';

export interface FlatGalleryOptions {
  readonly log?: Logger;
}

/** Templates in one message to a worker that is being filled. */
const changeSize = 2_000;
const largestLimit = 10_000;
/** Workers need real JavaScript; from src/ and from dist/ this is the built module. */
const builtWorker = new URL('../../dist/flat/flat-gallery-worker.js', import.meta.url);

/**
 * A gallery in memory: int8 codes that one worker thread scans with ONNX Runtime, partition by partition, and
 * the best rows scored from their stored form. Exact, for up to about 250,000 templates a partition. Content is
 * lost with the process.
 */
export async function openFlatGallery(options: FlatGalleryOptions = {}): Promise<Gallery> {
  const gallery = new FlatGallery(options);
  await gallery.start();
  return gallery;
}

/**
 * Invariants: a change is recorded in the ledger before the worker hears of it, and the worker hears of changes in
 * the order in which they were recorded; so a successor, filled from the ledger, may hear of some changes twice,
 * and ends with the same content.
 */
export class FlatGallery implements Gallery {
  readonly #ledger = new Ledger();
  readonly #worker: WorkerPool<FlatGalleryCalls>;
  readonly #batcher: ProbeBatcher<PartitionProbe, readonly Candidate[]>;

  /** @param module what the worker runs; a test's may die on purpose */
  constructor({ log = silentLogger }: FlatGalleryOptions = {}, module = builtWorker) {
    this.#worker = new WorkerPool<FlatGalleryCalls>({
      name: 'flat gallery',
      module,
      initialise: async (call) => {
        for (const change of this.#ledger.replay(changeSize)) await call('apply', change);
      },
      log,
    });
    this.#batcher = new ProbeBatcher((probes) => this.#retrying(() => this.#worker.call('search', probes)));
  }

  start(): Promise<void> {
    return this.#worker.start();
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

  close(): Promise<void> {
    return this.#worker.close();
  }

  async #apply({ change, displaced }: RecordedChange): Promise<void> {
    try {
      await this.#worker.call('apply', change);
    } catch (error) {
      if (!isAppError(error, 'WORKER.CRASHED')) throw error;
      // The ledger has the change, and so has the successor, which is waited for here. The change itself must not
      // be sent again: a later one may have overtaken it.
      await this.#worker.call('apply', { removals: [], upserts: [] });
    }
    // No call that could still read them is under way: leave nothing of what was removed in memory.
    for (const bytes of displaced) bytes.fill(0);
  }

  /** Asks again, once, when the worker died: its successor has the same content. */
  async #retrying<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (isAppError(error, 'WORKER.CRASHED')) return ask();
      throw error;
    }
  }
}
