import { AppError, errorMessage, type Logger } from '@sightline/kernel';
import { createPostgresBackend, DEFAULT_SCHEMA, Queue, runMigrations, Worker, type PgPool } from 'bullmq';
import pg from 'pg';

import type { JobBackend } from './job-backend.js';

/** Connections that queues share for their short statements; each worker has one more, on which it listens. */
const SHARED_CONNECTIONS = 4;

/**
 * BullMQ's back-end on PostgreSQL, in its schema `bullmq`, brought up to date here.
 *
 * @param workers how many workers there may be: each keeps one connection
 * @throws AppError `JOBS.UNAVAILABLE`
 */
export async function openPostgresBackend(
  url: string,
  { log, workers }: { readonly log: Logger; readonly workers: number },
): Promise<JobBackend> {
  const pool = new pg.Pool({
    connectionString: url,
    max: SHARED_CONNECTIONS + workers,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    application_name: 'sightline-jobs',
    // BullMQ's statements name no schema.
    options: `-c search_path=${DEFAULT_SCHEMA}`,
  });
  // Every queue and worker listens to it.
  pool.setMaxListeners(0);
  pool.on('error', (error) => log.warn({ reason: errorMessage(error) }, 'a connection of the jobs broke'));
  // While a connection is checked out nobody listens to it; one that breaks then would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  try {
    const client = await pool.connect();
    try {
      await runMigrations(client);
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw new AppError('JOBS.UNAVAILABLE', 'The database of the jobs cannot be used.', {
      retryable: true,
      cause: error,
    });
  }
  // pg's own types say less of it than BullMQ wants to know.
  const connection = pool as unknown as PgPool;
  return {
    queue: (name) => new Queue(name, { connection }, createPostgresBackend),
    worker: (name, processor, options) =>
      new Worker(name, processor, { ...options, connection }, createPostgresBackend),
    answers: () =>
      pool.query('SELECT 1').then(
        () => true,
        () => false,
      ),
    // What PostgreSQL has committed stays.
    onReconnected: () => undefined,
    close: () => pool.end(),
  };
}
