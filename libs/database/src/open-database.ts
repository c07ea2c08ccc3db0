import type { Logger } from '@sightline/kernel';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { PgPreparedQuery } from 'drizzle-orm/pg-core';
import pg from 'pg';

import { databaseError } from './database-error.js';

export interface DatabaseOptions {
  /** postgres://user:password@host:port/name, of a server's or the embedded PostgreSQL. */
  readonly url: string;
  readonly log: Logger;
  /** Bound of the pool. Default: 10. */
  readonly maxConnections?: number;
  /** How long a query may wait for a connection, ms. Default: 10,000. */
  readonly connectionTimeoutMs?: number;
}

export interface Database {
  /** Typed queries. What they throw is an AppError of {@link databaseError}: without values, safe to log. */
  readonly db: NodePgDatabase;
  /** For what Drizzle has no word for (LISTEN, COPY). Its errors may hold values: pass them through `databaseError`. */
  readonly pool: pg.Pool;
  /** Waits for the queries under way and closes all connections. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens a pool of connections and makes sure that the server answers.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, log, maxConnections = 10, connectionTimeoutMs = 10_000 } = options;
  const pool = new SafePool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectionTimeoutMs,
    keepAlive: true,
    application_name: 'sightline',
  });
  const report = ({ message }: Error) => log.warn({ reason: message }, 'a database connection broke');
  pool.on('error', report);
  // The pool stops listening to a connection while a transaction holds it; one that breaks then would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= pool.end());
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    await close();
    throw databaseError(error);
  }
  return { db: drizzle({ client: pool }), pool, close };
}

/** A pool whose `connect` fails with an AppError: Drizzle's transactions begin with it. */
class SafePool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(
    callback: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): void;
  override connect(
    callback?: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): Promise<pg.PoolClient> | undefined {
    if (!callback) {
      return super.connect().catch((error: unknown) => {
        throw databaseError(error);
      });
    }
    super.connect(callback);
    return undefined;
  }
}

interface QueryRunner {
  queryWithCache: (this: unknown, query: string, parameters: unknown, run: () => Promise<unknown>) => Promise<unknown>;
}

// Drizzle writes the parameters of a failed query into the error's message. There is no hook before that, so the one
// place through which all its queries pass is wrapped, for pools and transactions alike (exact version in package.json).
const runner = PgPreparedQuery.prototype as unknown as QueryRunner;
const { queryWithCache } = runner;
runner.queryWithCache = async function (query, parameters, run) {
  try {
    return await queryWithCache.call(this, query, parameters, run);
  } catch (error) {
    throw databaseError(error);
  }
};
