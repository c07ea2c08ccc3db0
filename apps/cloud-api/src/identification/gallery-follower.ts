import type { Database } from '@sightline/database';
import { AppError, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, GALLERY_INDEX, LOGGER } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { FlatFollowing } from './flat-following.js';
import type { Following, FollowingOptions } from './following.js';
import { GalleryFollowers } from './gallery-followers.js';
import type { GalleryIndex } from './gallery-index.js';
import { Kick } from './kick.js';
import { SharedFollowing } from './shared-following.js';

/** How long a writer waits for the gallery, ms. */
const PASS_MS = 20_000;

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
}

/**
 * Keeps the gallery that this process searches in step with PostgreSQL, itself or by whoever writes to a shared one.
 *
 * Invariant: every change up to `version` is in that gallery.
 */
@Injectable()
export class GalleryFollower {
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #waiters = new Set<Waiter>();
  readonly #following: Following;
  readonly #news: Kick;
  readonly #requests: Kick;
  #version = -1;
  #running: Promise<void> | undefined;

  constructor(
    @Inject(DATABASE) database: Database,
    @Inject(GALLERY_INDEX) index: GalleryIndex,
    personalData: PersonalData,
    followers: GalleryFollowers,
    @Inject(CLOCK) clock: Clock,
    @Inject(LOGGER) log: Logger,
    notifications: Notifications,
  ) {
    this.#clock = clock;
    this.#news = new Kick(clock);
    this.#requests = new Kick(clock);
    const options: FollowingOptions = {
      ...{ id: index.id, database, personalData, followers, clock, log, news: this.#news, requests: this.#requests },
      advanced: (version) => this.#advanced(version),
    };
    this.#following =
      index.kind === 'flat' ? new FlatFollowing(options, index.gallery) : new SharedFollowing(options, index.gallery);
    const listen = (kick: Kick) => ({ notified: () => kick.kick(), reconnected: () => kick.kick() });
    notifications.on('cloud_gallery', listen(this.#news));
    notifications.on('cloud_gallery_follower', listen(this.#requests));
  }

  /** Whether searches are answered, by what was enrolled when the process started at least. */
  ready(): Promise<boolean> {
    return this.#following.ready();
  }

  /** Every search sees all changes up to it; -1: none yet. */
  get version(): number {
    return this.#version;
  }

  /** Fills a gallery of this process's own, then follows the feed in the background. */
  async start(): Promise<void> {
    await this.#following.start(this.#stopping.signal);
    this.#running = this.#following.run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true }));
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
    this.#news.kick();
    try {
      const signal = AbortSignal.any([bound.signal, this.#stopping.signal]);
      await Promise.race([
        applied,
        this.#clock.sleep(PASS_MS, signal).then(() => {
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

  #advanced(version: number): void {
    this.#version = version;
    for (const waiter of this.#waiters) if (waiter.version <= version) waiter.resolve();
  }
}
