import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

import type { Clock, Logger } from '@sightline/kernel';

import { outboxError } from './outbox-database.js';
import { OutboxStore } from './outbox-store.js';

export interface OpenOutboxStoreOptions {
  readonly path: string;
  /** Bound of the file's size. */
  readonly maximumBytes: number;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Logger;
}

/**
 * Opens the outbox's file. A damaged one is moved aside, kept for somebody to look at, and a new stream is
 * begun: sequences of the old stream are never used again, so the cloud cannot take one record for another.
 *
 * @throws AppError `OUTBOX.UNAVAILABLE`, `OUTBOX.UNKNOWN_FORMAT`, `OUTBOX.DISK_FULL`
 */
export function openOutboxStore({ path, maximumBytes, clock, log }: OpenOutboxStoreOptions): OutboxStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return tryOpen(path, maximumBytes) ?? replaceDamaged({ path, maximumBytes, clock, log });
}

function tryOpen(path: string, maximumBytes: number): OutboxStore | undefined {
  try {
    return new OutboxStore(path, maximumBytes);
  } catch (cause) {
    const error = outboxError(cause);
    if (error.code === 'OUTBOX.CORRUPT') return undefined;
    throw error;
  }
}

function replaceDamaged({ path, maximumBytes, clock, log }: OpenOutboxStoreOptions): OutboxStore {
  const aside = `${path}.corrupt-${Math.floor(clock.wallMs())}`;
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  log.error({ code: 'OUTBOX.CORRUPT', movedTo: aside }, 'the outbox was damaged: moved aside, a new stream begins');
  try {
    return new OutboxStore(path, maximumBytes);
  } catch (cause) {
    throw outboxError(cause);
  }
}
