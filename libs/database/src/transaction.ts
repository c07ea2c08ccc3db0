import { isAppError } from '@sightline/kernel';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { PgTransactionConfig } from 'drizzle-orm/pg-core';

import type { Database } from './open-database.js';

export type Transaction = Parameters<Parameters<Database['db']['transaction']>[0]>[0];

/**
 * Runs work in one transaction: committed when it resolves, rolled back when it rejects.
 *
 * Instead of Drizzle's own on a pool, which (0.45) takes a connection and keeps it for ever when BEGIN fails: after as
 * many broken connections as the pool has places, nothing would reach the database again.
 *
 * @throws what the work throws, or AppError of `databaseError`
 */
export async function inTransaction<T>(
  { pool }: Pick<Database, 'pool'>,
  work: (tx: Transaction) => Promise<T>,
  config?: PgTransactionConfig,
): Promise<T> {
  const client = await pool.connect();
  let unusable = false;
  try {
    return await drizzle({ client }).transaction(work, config);
  } catch (error) {
    // Whether the rollback came through is not known then: such a connection is not used again.
    unusable = !isAppError(error) || error.code.startsWith('DATABASE.');
    throw error;
  } finally {
    client.release(unusable);
  }
}
