import type { Database } from '@sightline/database';
import { backoffMs, errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { PersonalData } from '../personal-data/personal-data.js';
import { lost, type FollowerRow, type GalleryFollowers } from './gallery-followers.js';
import type { GalleryKeeper } from './gallery-keeper.js';
import type { Kick } from './kick.js';

/** How often a follower says that it is there, ms. */
export const BEAT_MS = 5_000;
/** How often the feed is read although nothing was notified, ms: a lost notification costs no more than this. */
export const POLL_MS = 1_000;

export interface FollowingOptions {
  readonly id: string;
  readonly database: Database;
  readonly personalData: PersonalData;
  readonly followers: GalleryFollowers;
  readonly clock: Clock;
  readonly log: Logger;
  /** Kicked when the feed may have news. */
  readonly news: Kick;
  /** Kicked when the register may have. */
  readonly requests: Kick;
  /** Hears of every version that this process's searches have passed. */
  readonly advanced: (version: number) => void;
}

/** One way in which a process's gallery follows the feed. */
export interface Following {
  /** Whether searches are answered. */
  ready(): Promise<boolean>;
  /** Resolves once {@link run} may begin. */
  start(signal: AbortSignal): Promise<void>;
  /** Follows until the signal is aborted; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

type Held = Pick<FollowingOptions, 'id' | 'followers' | 'clock' | 'log' | 'news' | 'requests'> & {
  readonly keeper: GalleryKeeper;
  /** The process that writes, where the gallery is shared. */
  readonly writer: string | null;
};

/** Runs tasks side by side; when one fails the others are told to stop, and the failure is thrown once all have. */
export async function together(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const settled = await Promise.allSettled(
    tasks.map((task) =>
      task(both).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    ),
  );
  const first = settled.find((result) => result.status === 'rejected');
  if (first !== undefined) throw failed.signal.reason;
}

/**
 * Applies the feed as it grows, until the signal is aborted.
 *
 * @throws AppError `GALLERY.LOST`; every other failure is logged and tried again
 */
export async function followFeed({ keeper, clock, log, news }: Held, signal: AbortSignal): Promise<void> {
  const isStopped = (): boolean => signal.aborted;
  for (let failures = 0; !isStopped();) {
    try {
      await keeper.catchUp(signal);
      failures = 0;
      await news.wait(POLL_MS, signal);
    } catch (error) {
      if (isStopped()) return;
      if (isAppError(error, 'GALLERY.LOST')) throw error;
      log.warn({ error: errorMessage(error) }, 'the gallery could not follow its feed');
      await clock.sleep(backoffMs(failures, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
      failures += 1;
    }
  }
}

/**
 * Says again and again that the follower is there, and builds its gallery anew when somebody asks for it.
 *
 * @param beaten hears when each beat that came through had begun, by the monotonic clock
 * @throws AppError `GALLERY.LOST` when the follower was dropped or has another writer
 */
export async function beat(held: Held, signal: AbortSignal, beaten?: (atMs: number) => void): Promise<void> {
  const { id, writer, followers, clock, log, requests, keeper } = held;
  let rebuilding: Promise<void> | undefined;
  const answer = ({ rebuildState }: FollowerRow): void => {
    if (rebuildState !== 'requested') return;
    rebuilding ??= keeper
      .rebuild(signal)
      .catch((error: unknown) => log.error({ error: errorMessage(error) }, 'the gallery could not be built anew'))
      .finally(() => (rebuilding = undefined));
  };
  try {
    while (!signal.aborted) {
      const atMs = clock.monotonicMs();
      const row = await followers.seen(id, writer).catch((error: unknown) => error);
      if (row === undefined) throw lost();
      if (row instanceof Error)
        log.warn({ error: row.message }, 'a follower of the gallery could not say that it is there');
      else {
        beaten?.(atMs);
        answer(row as FollowerRow);
      }
      await requests.wait(BEAT_MS, signal);
    }
  } finally {
    await rebuilding;
  }
}
