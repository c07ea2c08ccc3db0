import type { Database } from '@sightline/database';
import type { Gallery, GalleryEntry } from '@sightline/gallery';
import {
  AppError,
  backoffMs,
  errorMessage,
  isAppError,
  type Clock,
  type Logger,
  type TemplateId,
} from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, GALLERY, LOGGER } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { readGalleryChanges, readWholeGallery, type GalleryChange } from './gallery-feed.js';

const PAGE = 1000;
/** How often the feed is read although nothing was notified, ms: a lost notification costs no more than this. */
const POLL_MS = 1000;
/** How long a writer waits for the gallery, ms. */
const PASS_MS = 20_000;

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
}

/**
 * Keeps this process's gallery in step with PostgreSQL.
 *
 * Invariant: every change up to `version` is in the gallery, applied in the order of the versions.
 */
@Injectable()
export class GalleryFollower {
  readonly #stopping = new AbortController();
  readonly #waiters = new Set<Waiter>();
  #version = -1;
  #running: Promise<void> | undefined;
  #kicked = true;
  #wake: (() => void) | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(GALLERY) private readonly gallery: Gallery,
    private readonly personalData: PersonalData,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    notifications: Notifications,
  ) {
    notifications.on('cloud_gallery', { notified: () => this.#kick(), reconnected: () => this.#kick() });
  }

  /** Whether every template that was enrolled when the process started is searchable. */
  get loaded(): boolean {
    return this.#version >= 0;
  }

  /** Loads all templates, then follows the feed in the background. */
  async start(): Promise<void> {
    this.#version = await readWholeGallery(this.database, this.personalData, {
      onPage: (entries) => this.#upsert(entries),
      pageSize: PAGE,
    });
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true }));
    this.#kick();
    await this.#running;
  }

  /**
   * Resolves once every search of this process sees the change.
   *
   * @throws AppError `SERVICE.UNAVAILABLE` (retryable) when that takes too long: the change itself is committed
   */
  async passed(version: number): Promise<void> {
    if (this.#version >= version) return;
    const bound = new AbortController();
    let waiter: Waiter | undefined;
    const applied = new Promise<void>((resolve) => {
      waiter = { version, resolve };
      this.#waiters.add(waiter);
    });
    this.#kick();
    try {
      const signal = AbortSignal.any([bound.signal, this.#stopping.signal]);
      await Promise.race([
        applied,
        this.clock.sleep(PASS_MS, signal).then(() => {
          throw new AppError('SERVICE.UNAVAILABLE', 'The gallery has not followed the change yet.', {
            retryable: true,
          });
        }),
      ]);
    } finally {
      bound.abort();
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  #kick(): void {
    this.#kicked = true;
    this.#wake?.();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#catchUp();
        failures = 0;
        await this.#nextKick();
      } catch (error) {
        this.log.warn({ error: errorMessage(error) }, 'the gallery could not follow its feed');
        await this.clock.sleep(backoffMs(failures, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
        failures += 1;
      }
    }
  }

  async #nextKick(): Promise<void> {
    if (this.#kicked) return;
    const poll = new AbortController();
    const kicked = new Promise<void>((resolve) => (this.#wake = resolve));
    await Promise.race([kicked, this.clock.sleep(POLL_MS, poll.signal).catch(() => undefined)]);
    poll.abort();
  }

  async #catchUp(): Promise<void> {
    let more: boolean;
    do {
      this.#kicked = false;
      const next = await readGalleryChanges(this.database, this.personalData, {
        after: this.#version,
        limit: PAGE,
      });
      await this.#apply(next.changes);
      this.#version = next.through;
      more = next.more;
      for (const waiter of this.#waiters) if (waiter.version <= this.#version) waiter.resolve();
    } while (more);
  }

  /** Of several changes of one template only the last counts; different templates don't depend on each other. */
  async #apply(changes: readonly GalleryChange[]): Promise<void> {
    const last = new Map(changes.map((change) => [change.templateId, change]));
    const removed: TemplateId[] = [];
    const entries: GalleryEntry[] = [];
    for (const { kind, templateId, entry } of last.values()) {
      if (kind === 'remove') removed.push(templateId);
      else if (entry !== undefined) entries.push(entry);
    }
    if (removed.length > 0) await this.gallery.remove(removed);
    if (entries.length > 0) await this.#upsert(entries);
  }

  async #upsert(entries: readonly GalleryEntry[]): Promise<void> {
    try {
      await this.gallery.upsert(entries);
    } catch (error) {
      if (!isAppError(error) || error.retryable) throw error;
      if (entries.length === 1) {
        // A row that the gallery cannot hold must not keep all others from being found.
        this.log.error({ code: error.code, templateId: entries[0]?.templateId }, 'a stored template is not searchable');
        return;
      }
      for (const entry of entries) await this.#upsert([entry]);
    }
  }
}
