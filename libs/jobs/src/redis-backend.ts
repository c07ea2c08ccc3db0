import { AppError, errorMessage, type Logger } from '@sightline/kernel';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

import type { JobBackend } from './job-backend.js';

/** Of all keys, so that a Redis can be shared with others. */
const PREFIX = 'sightline';
const CONNECT_MS = 5000;
const LONGEST_PAUSE_MS = 2000;

const pauseMs = (attempt: number): number => Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(attempt, 6));

/**
 * BullMQ's back-end on Redis.
 *
 * @throws AppError `JOBS.UNAVAILABLE` (retryable), `JOBS.REDIS_MAY_EVICT` unless its `maxmemory-policy` is `noeviction`
 */
export async function openRedisBackend(url: string, { log }: { readonly log: Logger }): Promise<JobBackend> {
  // Two connections: whoever adds a job wants to hear at once that Redis is away, workers wait until it is back.
  const shared = { connectTimeout: CONNECT_MS, retryStrategy: pauseMs, lazyConnect: true };
  const adding = new Redis(url, { ...shared, maxRetriesPerRequest: 1, enableOfflineQueue: false });
  const working = new Redis(url, { ...shared, maxRetriesPerRequest: null });
  for (const client of [adding, working]) {
    // Every queue and worker listens to it.
    client.setMaxListeners(0);
    client.on('error', (error: Error) => log.debug({ reason: errorMessage(error) }, 'redis cannot be reached'));
  }
  try {
    await Promise.all([adding.connect(), working.connect()]);
    await assertNothingIsEvicted(adding);
  } catch (error) {
    adding.disconnect();
    working.disconnect();
    if (error instanceof AppError) throw error;
    throw new AppError('JOBS.UNAVAILABLE', 'Redis cannot be reached.', { retryable: true, cause: error });
  }
  adding.on('close', () => log.warn({}, 'the connection to redis broke'));
  return {
    queue: (name) => new Queue(name, { connection: adding, prefix: PREFIX, skipWaitingForReady: true }),
    worker: (name, processor, options) =>
      new Worker(name, processor, { ...options, connection: working, prefix: PREFIX }),
    answers: () =>
      adding.ping().then(
        () => true,
        () => false,
      ),
    onReconnected: (listener) => {
      adding.on('ready', listener);
    },
    close: () => {
      adding.disconnect();
      working.disconnect();
      return Promise.resolve();
    },
  };
}

/** A Redis that evicts keys when its memory is full loses jobs, and locks of jobs that run. */
async function assertNothingIsEvicted(redis: Redis): Promise<void> {
  // INFO instead of CONFIG GET, which hosted ones refuse.
  const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  throw new AppError('JOBS.REDIS_MAY_EVICT', 'Redis must run with maxmemory-policy noeviction, or it loses jobs.', {
    details: { policy },
  });
}
