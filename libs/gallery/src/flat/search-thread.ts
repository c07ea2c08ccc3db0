import { isAppError, type Logger } from '@sightline/kernel';
import { WorkerPool } from '@sightline/onnx-runtime';

import type { Candidate } from '../gallery.js';
import type { FlatGalleryCalls, GalleryChange, PartitionProbe } from './flat-gallery-calls.js';

export interface SearchThreadOptions {
  /** What the thread runs. */
  readonly module: URL;
  /** All that the thread holds, for a new one. What is recorded meanwhile may or may not be among it. */
  readonly replay: () => Iterable<GalleryChange>;
  readonly log: Logger;
}

/** A thread that holds a share of the templates and does what it is asked in the order in which it was asked. */
export class SearchThread {
  readonly #worker: WorkerPool<FlatGalleryCalls>;

  constructor({ module, replay, log }: SearchThreadOptions) {
    this.#worker = new WorkerPool<FlatGalleryCalls>({
      name: 'flat gallery',
      module,
      initialise: async (call) => {
        for (const change of replay()) await call('apply', change);
      },
      log,
    });
  }

  start(): Promise<void> {
    return this.#worker.start();
  }

  close(): Promise<void> {
    return this.#worker.close();
  }

  /** Takes a change that `replay` knows of already. Once it is done no call is under way that began before it. */
  async apply(change: GalleryChange): Promise<void> {
    if (change.removals.length + change.upserts.length === 0) return;
    try {
      await this.#worker.call('apply', change);
    } catch (error) {
      if (!isAppError(error, 'WORKER.CRASHED')) throw error;
      // What is replayed has the change, and so has the successor. It must not be sent again: a later one may have
      // overtaken it.
      await this.settle();
    }
  }

  /** Waits for the thread, or its successor, to have done all that it was asked until now. */
  async settle(): Promise<void> {
    await this.#worker.call('apply', { removals: [], upserts: [] });
  }

  /** For each probe the nearest people by the templates of this share, best first. @throws AppError `WORKER.CRASHED` */
  search(probes: readonly PartitionProbe[]): Promise<readonly (readonly Candidate[])[]> {
    return this.#worker.call('search', probes);
  }
}
