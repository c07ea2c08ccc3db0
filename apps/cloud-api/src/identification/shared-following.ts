import { randomUUID } from 'node:crypto';

import type { QdrantGallery } from '@sightline/gallery';
import { AppError, backoffMs, errorMessage, isAppError } from '@sightline/kernel';

import { ContentCheck } from './content-check.js';
import { beat, followFeed, POLL_MS, together, type Following, type FollowingOptions } from './following.js';
import { GalleryKeeper } from './gallery-keeper.js';
import { WriterClaim } from './writer-claim.js';

const unreachable = (): AppError =>
  new AppError('SERVICE.UNAVAILABLE', 'The shared gallery cannot be reached.', { retryable: true });

/**
 * Follows the feed with a gallery that processes share: one of them writes, elected by a lock of the database's; the
 * others read from the register how far it is.
 *
 * Invariant: a new writer changes nothing before every change of the one before must have arrived or been given up;
 * otherwise a late one could bring back a template that was removed.
 */
export class SharedFollowing implements Following {
  readonly #options: FollowingOptions;
  readonly #gallery: QdrantGallery;
  readonly #writer = randomUUID();
  #version = -1;

  constructor(options: FollowingOptions, gallery: QdrantGallery) {
    this.#options = options;
    this.#gallery = gallery;
  }

  async ready(): Promise<boolean> {
    return this.#version >= 0 && (await this.#gallery.ready());
  }

  async start(): Promise<void> {
    const { followers, id } = this.#options;
    await followers.register({ id, kind: 'qdrant' });
    await this.#look();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, database, id, requests } = this.#options;
    const isStopped = (): boolean => signal.aborted;
    for (let failures = 0; !isStopped();) {
      try {
        await this.#look();
        const claim = await WriterClaim.take(database, id);
        if (claim !== undefined) await this.#write(claim, signal);
        failures = 0;
        await requests.wait(POLL_MS, signal);
      } catch (error) {
        if (isStopped()) return;
        log.warn({ error: errorMessage(error) }, 'the shared gallery could not be kept');
        await clock.sleep(backoffMs(failures, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
        failures += 1;
      }
    }
  }

  /** How far the writer is, whoever that is. */
  async #look(): Promise<void> {
    const row = await this.#options.followers.read(this.#options.id);
    if (row !== undefined) this.#advanced(row.version);
  }

  #advanced(version: number): void {
    this.#version = version;
    this.#options.advanced(version);
  }

  /** Writes until the signal is aborted or the claim is lost. */
  async #write(claim: WriterClaim, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, claim.lost]);
    try {
      const keeper = await this.#takeOver(either);
      const held = { ...this.#options, keeper, writer: this.#writer };
      const check = new ContentCheck({ ...this.#options, gallery: this.#gallery, keeper });
      await together(either, [(stop) => beat(held, stop), (stop) => followFeed(held, stop), (stop) => check.run(stop)]);
      // Nothing of this process is on its way: whoever is next need not wait.
      if (keeper.settled && !claim.lost.aborted) await this.#options.followers.occupy(this.#options.id, null);
    } catch (error) {
      if (!either.aborted || isAppError(error, 'GALLERY.LOST')) throw error;
    } finally {
      claim.release();
    }
  }

  async #takeOver(signal: AbortSignal): Promise<GalleryKeeper> {
    const { followers, id, clock, log } = this.#options;
    // Before anything is written down: an attempt that never began leaves nothing to wait for.
    if (!(await this.#gallery.ready(signal))) throw unreachable();
    await followers.register({ id, kind: 'qdrant' });
    const row = await followers.read(id);
    if (row !== undefined && row.writer !== null) {
      log.info(
        { waitMs: this.#gallery.longestChangeMs },
        'the writer before did not end well: waiting for its last change',
      );
      await clock.sleep(this.#gallery.longestChangeMs, signal);
    }
    await followers.occupy(id, this.#writer);
    await this.#gallery.prune();
    const advanced = (version: number): void => this.#advanced(version);
    const parts = { ...this.#options, gallery: this.#gallery, writer: this.#writer, advanced };
    const keeper = new GalleryKeeper(parts, row?.version ?? -1);
    const unfinished = row?.rebuildState === 'requested' || row?.rebuildState === 'running';
    if (keeper.version < 0 || unfinished) await keeper.rebuild(signal);
    return keeper;
  }
}
