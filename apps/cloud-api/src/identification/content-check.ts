import { inTransaction, type Database } from '@sightline/database';
import type { Gallery, PartitionSize } from '@sightline/gallery';
import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { count } from 'drizzle-orm';

import { galleryVersion, template } from '../storage/schema.js';
import type { GalleryKeeper } from './gallery-keeper.js';

/** How often a shared gallery is looked at, ms. */
const LOOK_MS = 30_000;
/** Pause between two repairs, ms: where one does not help, another does not either. */
const REPAIR_MS = 3_600_000;
/** How often it is tried to count while nothing changes. */
const LOOKS = 3;

export interface ContentCheckOptions {
  readonly database: Database;
  readonly gallery: Pick<Gallery, 'partitions'>;
  readonly keeper: GalleryKeeper;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Finds out when a shared gallery is not what the feed has made of it: emptied, restored from an old snapshot, or given
 * back a template by a change that arrived late. Then it is built anew.
 */
export class ContentCheck {
  readonly #options: ContentCheckOptions;
  #held: ReadonlySet<string> | undefined;
  #repairedMs = -Infinity;

  constructor(options: ContentCheckOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const isStopped = (): boolean => signal.aborted;
    while (!isStopped()) {
      try {
        await this.look(signal);
      } catch (error) {
        if (!isStopped()) log.warn({ error: errorMessage(error) }, 'the shared gallery could not be looked at');
      }
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  /** Counts in full at the first look, after a change that failed, and when a partition is gone; else only looks. */
  async look(signal: AbortSignal): Promise<void> {
    const { gallery, keeper, clock, log } = this.#options;
    const held = new Set((await gallery.partitions()).map(partitionText));
    const gone = [...(this.#held ?? [])].some((partition) => !held.has(partition));
    if (this.#held !== undefined && !gone && !keeper.doubtful) return;
    for (let look = 0; look < LOOKS; look += 1) {
      await keeper.catchUp(signal);
      const difference = await keeper.undisturbed(() => this.#difference());
      if (difference === undefined) {
        this.#held = held;
        keeper.trust();
        return;
      }
      if (look < LOOKS - 1) continue;
      if (difference === 'moving') return;
      if (clock.monotonicMs() - this.#repairedMs < REPAIR_MS) return;
      this.#repairedMs = clock.monotonicMs();
      log.error({ difference }, 'the shared gallery is not what it should be, and is built anew');
      await keeper.rebuild(signal);
    }
  }

  /**
   * More than PostgreSQL has, or nothing of what it has. Fewer is no sign: a template that cannot be searched is left
   * out. `moving`: the rows are not those of the keeper's version, and say nothing.
   */
  async #difference(): Promise<'extra' | 'empty' | 'moving' | undefined> {
    const { database, gallery, keeper } = this.#options;
    const { version, rows } = await inTransaction(
      database,
      async (tx) => {
        const [counter] = await tx.select().from(galleryVersion);
        const counted = await tx
          .select({ spaceId: template.modelSpace, keyId: template.keyId, templates: count() })
          .from(template)
          .groupBy(template.modelSpace, template.keyId);
        return { version: counter?.version ?? 0, rows: counted };
      },
      { isolationLevel: 'repeatable read', accessMode: 'read only' },
    );
    if (version !== keeper.version) return 'moving';
    const stored = new Map(rows.map((row) => [partitionText(row), row.templates]));
    const searchable = new Map((await gallery.partitions()).map((size) => [partitionText(size), size.templates]));
    if ([...searchable].some(([partition, templates]) => templates > (stored.get(partition) ?? 0))) return 'extra';
    return [...stored.keys()].some((partition) => !searchable.has(partition)) ? 'empty' : undefined;
  }
}

function partitionText({ spaceId, keyId }: Pick<PartitionSize, 'spaceId' | 'keyId'>): string {
  return JSON.stringify([spaceId, keyId]);
}
