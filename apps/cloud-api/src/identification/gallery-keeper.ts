import type { Database } from '@sightline/database';
import type { GalleryRebuild } from '@sightline/gallery';
import { errorMessage, ExclusiveRunner, type Logger } from '@sightline/kernel';
import { count } from 'drizzle-orm';

import type { PersonalData } from '../personal-data/personal-data.js';
import { template } from '../storage/schema.js';
import { applyChanges, applyEntries, type FeedTarget } from './feed-application.js';
import { readGalleryChanges, readWholeGallery } from './gallery-feed.js';
import { lost, type GalleryFollowers } from './gallery-followers.js';
import type { RebuildableGallery } from './rebuildable-gallery.js';

const PAGE = 1000;

export interface GalleryKeeperOptions {
  readonly gallery: RebuildableGallery;
  readonly database: Database;
  readonly personalData: PersonalData;
  readonly followers: GalleryFollowers;
  /** The follower, and the process that writes to it where it is shared. */
  readonly id: string;
  readonly writer: string | null;
  readonly log: Logger;
  /** Hears of every new position. */
  readonly advanced: (version: number) => void;
}

/**
 * Keeps a gallery in step with PostgreSQL, and builds it anew.
 *
 * Invariants: every change up to `version` is in the gallery, applied in the order of the versions; nothing changes the
 * gallery while a new one takes its place.
 */
export class GalleryKeeper {
  readonly #options: GalleryKeeperOptions;
  readonly #order = new ExclusiveRunner();
  readonly #rebuilds = new ExclusiveRunner();
  #version: number;
  #settled = true;
  #doubtful = false;

  /** @param version what the gallery stands for already; -1: nothing */
  constructor(options: GalleryKeeperOptions, version: number) {
    this.#options = options;
    this.#version = version;
  }

  get version(): number {
    return this.#version;
  }

  /** Whether the last change that was begun has come to its end. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Whether a change has failed since {@link trust}: it may arrive later than the one that made up for it. */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  /** Says that the gallery was found to be as it should. */
  trust(): void {
    this.#doubtful = false;
  }

  /** Runs something while nothing changes the gallery. */
  undisturbed<T>(task: () => Promise<T>): Promise<T> {
    return this.#order.run(task);
  }

  /**
   * Applies what is new.
   *
   * @throws AppError `GALLERY.LOST` when the follower was dropped or has another writer; the signal's reason between
   *   two pages
   */
  catchUp(signal: AbortSignal): Promise<void> {
    return this.#order.run(async () => {
      const before = this.#version;
      this.#doubtful ||= !this.#settled;
      for (let more = true; more;) {
        signal.throwIfAborted();
        this.#settled = false;
        more = await this.#applyPage(this.#options.gallery, this.#version, (through) => (this.#version = through));
        this.#settled = true;
        if (this.#version !== before) await this.#tell();
      }
    });
  }

  /**
   * Fills a new gallery from PostgreSQL beside the one that is searched, which goes on following, and puts it in its
   * place. Its progress can be read in the register. One at a time: of two the second would lose what it has filled.
   */
  rebuild(signal: AbortSignal): Promise<void> {
    return this.#rebuilds.run(() => this.#rebuild(signal));
  }

  async #rebuild(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { gallery, followers, id, log } = this.#options;
    const next = gallery.rebuild();
    try {
      await followers.rebuilding(id, 0);
      let version = await this.#fill(next, signal);
      // Nearly there already, so that little is left for the moment in which nothing else may change.
      version = await this.#follow(next, version, signal);
      await this.#order.run(async () => {
        version = await this.#follow(next, version, signal);
        await next.complete();
        this.#version = version;
      });
      await this.#tell();
      await followers.rebuilt(id, 'done');
    } catch (error) {
      await next.abandon().catch((failure: unknown) => log.warn({ error: errorMessage(failure) }, 'a rebuild is left'));
      if (!signal.aborted) await followers.rebuilt(id, 'failed');
      throw error;
    }
  }

  async #fill(next: GalleryRebuild, signal: AbortSignal): Promise<number> {
    const { database, personalData, followers, id, log } = this.#options;
    const [total] = await database.db.select({ templates: count() }).from(template);
    let done = 0;
    return readWholeGallery(database, personalData, {
      pageSize: PAGE,
      onPage: async (entries) => {
        signal.throwIfAborted();
        await applyEntries(next, entries, log);
        done += entries.length;
        await followers.rebuilding(id, Math.min(0.99, done / Math.max(1, total?.templates ?? 0)));
      },
    });
  }

  /** Applies the feed from a version to its end. @returns where that is */
  async #follow(target: FeedTarget, from: number, signal: AbortSignal): Promise<number> {
    let version = from;
    for (let more = true; more;) {
      signal.throwIfAborted();
      more = await this.#applyPage(target, version, (through) => (version = through));
    }
    return version;
  }

  /** @returns whether there may be more */
  async #applyPage(target: FeedTarget, after: number, through: (version: number) => void): Promise<boolean> {
    const { database, personalData, log } = this.#options;
    const page = await readGalleryChanges(database, personalData, { after, limit: PAGE });
    await applyChanges(target, page.changes, log);
    through(page.through);
    return page.more;
  }

  async #tell(): Promise<void> {
    const { followers, id, writer, advanced } = this.#options;
    if (!(await followers.advance(id, writer, this.#version))) {
      throw lost();
    }
    advanced(this.#version);
  }
}
