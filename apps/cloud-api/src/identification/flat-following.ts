import { backoffMs, errorMessage } from '@sightline/kernel';

import { beat, BEAT_MS, followFeed, together, type Following, type FollowingOptions } from './following.js';
import { DROPPED_AFTER_MS } from './gallery-followers.js';
import { GalleryKeeper } from './gallery-keeper.js';
import type { LentGallery } from './lent-gallery.js';

/** How long after it was last seen a process answers searches, ms: less than until it is dropped, by any clock's drift. */
const LENT_MS = DROPPED_AFTER_MS - 3 * BEAT_MS;

/**
 * Follows the feed with a gallery of this process's own. A process that was dropped from the register fills its gallery
 * anew before it answers again.
 */
export class FlatFollowing implements Following {
  readonly #options: FollowingOptions;
  readonly #gallery: LentGallery;
  #keeper: GalleryKeeper | undefined;

  constructor(options: FollowingOptions, gallery: LentGallery) {
    this.#options = options;
    this.#gallery = gallery;
  }

  ready(): Promise<boolean> {
    return this.#gallery.ready();
  }

  /** Fills the gallery for the first time. */
  async start(signal: AbortSignal): Promise<void> {
    this.#keeper = await this.#fill(signal);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, followers, id } = this.#options;
    const isStopped = (): boolean => signal.aborted;
    for (let failures = 0; !isStopped(); failures += 1) {
      try {
        const keeper = (this.#keeper ??= await this.#fill(signal));
        failures = 0;
        await together(signal, [
          (either) => this.#beat(keeper, either, (atMs) => this.#lend(atMs)),
          (either) => followFeed({ ...this.#options, keeper, writer: null }, either),
        ]);
      } catch (error) {
        this.#gallery.revoke();
        this.#keeper = undefined;
        if (isStopped()) break;
        log.warn({ error: errorMessage(error) }, 'this process’s gallery has to be filled anew');
        await clock.sleep(backoffMs(failures, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
      }
    }
    await followers.remove(id).catch((error: unknown) => {
      log.warn({ error: errorMessage(error) }, 'this process could not leave the register, and is dropped in a minute');
    });
  }

  /**
   * Registers first: what is read then is never older than what the register knows of. Nothing is lent before all of it
   * is there.
   */
  async #fill(signal: AbortSignal): Promise<GalleryKeeper> {
    const { followers, id } = this.#options;
    this.#gallery.revoke();
    await followers.register({ id, kind: 'flat' });
    const keeper = new GalleryKeeper({ ...this.#options, gallery: this.#gallery, writer: null }, -1);
    const filled = new AbortController();
    let seenMs = -Infinity;
    await together(signal, [
      (either) => this.#beat(keeper, AbortSignal.any([either, filled.signal]), (atMs) => (seenMs = atMs)),
      (either) => keeper.rebuild(either).finally(() => filled.abort()),
    ]);
    this.#lend(seenMs);
    return keeper;
  }

  #beat(keeper: GalleryKeeper, signal: AbortSignal, seen: (atMs: number) => void): Promise<void> {
    return beat({ ...this.#options, keeper, writer: null }, signal, seen);
  }

  /** @param atMs when the process was certainly in the register, by the monotonic clock */
  #lend(atMs: number): void {
    this.#gallery.lend(LENT_MS - (this.#options.clock.monotonicMs() - atMs));
  }
}
