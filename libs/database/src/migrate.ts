import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { AppError } from '@sightline/kernel';
import pg from 'pg';

import { databaseError } from './database-error.js';
import type { Database } from './open-database.js';

export interface MigrateOptions {
  /** The schema that the migrations own; made when missing. They are applied with it as the search path. */
  readonly schema: string;
  /** Folder of `0001-what-it-does.sql`, `0002-….sql`, …: each is one transaction, and never changes once applied. */
  readonly folder: string | URL;
}

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

const filePattern = /^(\d{4})-[a-z0-9-]+\.sql$/;

/**
 * Brings a schema up to date. An advisory lock lets several processes start at once: one migrates, the others wait.
 *
 * @returns the names of the files that were applied now
 * @throws AppError `DATABASE.MIGRATION_INVALID` for misnumbered files, `DATABASE.MIGRATION_CHANGED` when an applied file
 *   was changed or is gone, `DATABASE.MIGRATION_FAILED` with the file that failed (those before it stay)
 */
export async function migrate({ pool }: Database, { schema, folder }: MigrateOptions): Promise<readonly string[]> {
  const migrations = await readMigrations(typeof folder === 'string' ? folder : fileURLToPath(folder));
  const client = await pool.connect();
  try {
    await client.query(`SELECT pg_advisory_lock(hashtext('sightline migration'), hashtext($1))`, [schema]);
    const applied = await applyAll(client, pg.escapeIdentifier(schema), migrations);
    await client.query(`SELECT pg_advisory_unlock(hashtext('sightline migration'), hashtext($1))`, [schema]);
    client.release();
    return applied;
  } catch (error) {
    client.release(true); // closes the connection, which frees the lock too
    throw databaseError(error);
  }
}

async function applyAll(client: pg.PoolClient, schema: string, all: readonly Migration[]): Promise<readonly string[]> {
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await client.query(`CREATE TABLE IF NOT EXISTS ${schema}.schema_migration (
    number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const { rows: applied } = await client.query<Omit<Migration, 'sql'>>(
    `SELECT number, name, checksum FROM ${schema}.schema_migration ORDER BY number`,
  );
  const changed = applied.find(
    (row, index) => all[index]?.number !== row.number || all[index].checksum !== row.checksum,
  );
  if (changed) {
    throw new AppError(
      'DATABASE.MIGRATION_CHANGED',
      'A migration that this database has applied was changed or removed.',
      {
        details: { file: changed.name },
      },
    );
  }
  const pending = all.slice(applied.length);
  for (const migration of pending) await apply(client, schema, migration);
  return pending.map(({ name }) => name);
}

async function apply(client: pg.PoolClient, schema: string, { number, name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL search_path TO ${schema}, public`);
    await client.query(sql);
    await client.query(`INSERT INTO ${schema}.schema_migration (number, name, checksum) VALUES ($1, $2, $3)`, [
      number,
      name,
      checksum,
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    const cause = databaseError(error);
    if (cause.retryable) throw cause;
    throw new AppError('DATABASE.MIGRATION_FAILED', `${name}: ${cause.message}`, { cause, details: { file: name } });
  }
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(filePattern.exec(name)?.[1]);
      if (number !== index + 1) {
        throw new AppError('DATABASE.MIGRATION_INVALID', 'Migrations are numbered 0001, 0002, … without a gap.', {
          details: { file: name },
        });
      }
      const sql = await readFile(join(folder, name), 'utf8');
      return { number, name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}
