import { chmodSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

import type { Clock, Logger } from '@sightline/kernel';

import { OutboxStore, outboxError } from './outbox-store.js';

/**
 * Opens the outbox's file. A damaged one is moved aside, kept for somebody to look at, and a new stream is
 * begun: sequences of the old stream are never used again, so the cloud cannot take one record for another.
 *
 * @throws AppError `OUTBOX.UNAVAILABLE`, `OUTBOX.UNKNOWN_FORMAT`, `OUTBOX.DISK_FULL`
 */
export function openOutboxStore(path: string, clock: Pick<Clock, 'wallMs'>, log: Logger): OutboxStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const store = tryOpen(path) ?? replaceDamaged(path, clock, log);
  // It holds templates.
  chmodSync(path, 0o600);
  return store;
}

function tryOpen(path: string): OutboxStore | undefined {
  try {
    return new OutboxStore(path);
  } catch (cause) {
    const error = outboxError(cause);
    if (error.code === 'OUTBOX.CORRUPT') return undefined;
    throw error;
  }
}

function replaceDamaged(path: string, clock: Pick<Clock, 'wallMs'>, log: Logger): OutboxStore {
  const aside = `${path}.corrupt-${Math.floor(clock.wallMs())}`;
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  log.error({ code: 'OUTBOX.CORRUPT', movedTo: aside }, 'the outbox was damaged: moved aside, a new stream begins');
  try {
    return new OutboxStore(path);
  } catch (cause) {
    throw outboxError(cause);
  }
}
