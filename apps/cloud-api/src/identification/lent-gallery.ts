import type {
  Candidate,
  Gallery,
  GalleryEntry,
  GalleryRebuild,
  PartitionSize,
  SearchOptions,
} from '@sightline/gallery';
import { AppError, type Clock, type TemplateId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import type { RebuildableGallery } from './rebuildable-gallery.js';

export interface LentGalleryOptions {
  /** Opens an empty gallery. */
  readonly open: () => Promise<Gallery>;
  readonly clock: Clock;
}

/**
 * A gallery of this process alone, whose right to answer searches is lent: who was away for too long may have been
 * dropped from the register, and an erasure been declared complete without them.
 *
 * Invariant: a search is answered only by a gallery that was filled, and only within the time that was lent.
 */
export class LentGallery implements RebuildableGallery {
  readonly #options: LentGalleryOptions;
  #inner: Gallery | undefined;
  #until = { monotonicMs: -Infinity, wallMs: -Infinity };

  constructor(options: LentGalleryOptions) {
    this.#options = options;
  }

  /** @param ms from now on; by both clocks, since one stands still while a machine sleeps */
  lend(ms: number): void {
    const { clock } = this.#options;
    this.#until = { monotonicMs: clock.monotonicMs() + ms, wallMs: clock.wallMs() + ms };
  }

  revoke(): void {
    this.#until = { monotonicMs: -Infinity, wallMs: -Infinity };
  }

  upsert(entries: readonly GalleryEntry[]): Promise<void> {
    return this.#filled().upsert(entries);
  }

  remove(templateIds: readonly TemplateId[]): Promise<void> {
    return this.#filled().remove(templateIds);
  }

  async search(probes: readonly Template[], options: SearchOptions): Promise<readonly (readonly Candidate[])[]> {
    this.#mayServe();
    const found = await this.#searchInner(probes, options);
    // Looked at again: the process may have been stopped in between.
    this.#mayServe();
    return found;
  }

  async partitions(): Promise<readonly PartitionSize[]> {
    return (await this.#inner?.partitions()) ?? [];
  }

  async ready(): Promise<boolean> {
    return this.#inner !== undefined && this.#isLent();
  }

  rebuild(): GalleryRebuild {
    let opened: Promise<Gallery> | undefined;
    const next = (): Promise<Gallery> => (opened ??= this.#options.open());
    return {
      upsert: async (entries) => (await next()).upsert(entries),
      remove: async (templateIds) => (await next()).remove(templateIds),
      complete: async () => {
        const before = this.#inner;
        this.#inner = await next();
        await before?.close();
      },
      abandon: async () => {
        await (await opened)?.close();
      },
    };
  }

  async close(): Promise<void> {
    this.revoke();
    await this.#inner?.close();
  }

  /** A search of a gallery that is replaced, and closed, meanwhile is asked of the new one. */
  async #searchInner(probes: readonly Template[], options: SearchOptions): Promise<readonly (readonly Candidate[])[]> {
    const inner = this.#filled();
    try {
      return await inner.search(probes, options);
    } catch (error) {
      if (inner === this.#inner) throw error;
      return this.#searchInner(probes, options);
    }
  }

  #filled(): Gallery {
    if (this.#inner !== undefined) return this.#inner;
    throw new AppError('SERVICE.UNAVAILABLE', 'The gallery is being filled.', { retryable: true });
  }

  #isLent(): boolean {
    const { clock } = this.#options;
    return clock.monotonicMs() < this.#until.monotonicMs && clock.wallMs() < this.#until.wallMs;
  }

  #mayServe(): void {
    if (this.#isLent()) return;
    throw new AppError('SERVICE.UNAVAILABLE', 'The gallery has not heard of changes for too long.', {
      retryable: true,
    });
  }
}
