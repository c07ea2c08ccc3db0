import { inTransaction, openDatabase, type Database } from '@sightline/database';
import type { Logger } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import type { KeyStoreHeader, NamedKey, NewHeader, PersonKeyStore, StoredKey } from './person-key-store.js';

/** Names in one statement. */
const CHUNK = 10_000;

/**
 * Keys in a PostgreSQL of their own, for several servers: one without archiving of its write-ahead log, replicas in
 * the same care, and backups that are kept as long as the key store's own policy says. A destroyed key is gone to
 * every query at once, and from the table's file before `destroy` resolves (the table is rewritten); the bytes that
 * the file system gives free, and recycled write-ahead segments, are overwritten in the course of time. They are
 * wrapped all the same.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`, `DATABASE.QUERY_FAILED`
 */
export async function openPostgresKeyStore(
  { url, log }: { readonly url: string; readonly log: Logger },
  newHeader: NewHeader,
): Promise<PersonKeyStore> {
  const database = await openDatabase({ url, log, maxConnections: 4 });
  try {
    return new PostgresKeyStore(database, await prepare(database, newHeader()));
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** One process at a time makes what is missing; the first one's header counts. */
function prepare(database: Database, fresh: KeyStoreHeader): Promise<KeyStoreHeader> {
  return inTransaction(database, async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('sightline keys'), 0)`);
    await tx.execute(sql`CREATE SCHEMA IF NOT EXISTS sightline_keys`);
    await tx.execute(sql`CREATE TABLE IF NOT EXISTS sightline_keys.store (
      singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), id uuid NOT NULL, salt bytea NOT NULL,
      check_value bytea NOT NULL)`);
    // A null key was destroyed.
    await tx.execute(sql`CREATE TABLE IF NOT EXISTS sightline_keys.person_key (
      name bytea PRIMARY KEY CHECK (length(name) = 32), wrapped bytea CHECK (length(wrapped) = 60))`);
    await tx.execute(sql`INSERT INTO sightline_keys.store (id, salt, check_value)
      VALUES (${fresh.id}, ${Buffer.from(fresh.salt)}, ${Buffer.from(fresh.check)}) ON CONFLICT DO NOTHING`);
    const { rows } = await tx.execute<{ id: string; salt: Buffer; check: Buffer }>(
      sql`SELECT id, salt, check_value AS check FROM sightline_keys.store`,
    );
    const [row] = rows;
    return row === undefined ? fresh : { id: row.id, salt: new Uint8Array(row.salt), check: new Uint8Array(row.check) };
  });
}

class PostgresKeyStore implements PersonKeyStore {
  readonly kind = 'postgresql';

  constructor(
    private readonly database: Database,
    readonly header: KeyStoreHeader,
  ) {}

  async add(keys: readonly NamedKey[]): Promise<void> {
    for (const chunk of chunksOf(keys)) {
      const [names, wrapped] = [chunk.map(({ name }) => toBytes(name)), chunk.map((key) => Buffer.from(key.wrapped))];
      await this.database.db.execute(sql`INSERT INTO sightline_keys.person_key (name, wrapped)
        SELECT * FROM unnest(${sql.param(names)}::bytea[], ${sql.param(wrapped)}::bytea[])`);
    }
  }

  async get(names: readonly string[]): Promise<ReadonlyMap<string, StoredKey>> {
    const found = new Map<string, StoredKey>();
    for (const chunk of chunksOf(names)) {
      const { rows } = await this.database.db.execute<{ name: Buffer; wrapped: Buffer | null }>(
        sql`SELECT name, wrapped FROM sightline_keys.person_key WHERE name = ANY (${sql.param(chunk.map(toBytes))}::bytea[])`,
      );
      for (const { name, wrapped } of rows) {
        found.set(name.toString('hex'), wrapped === null ? 'destroyed' : new Uint8Array(wrapped));
      }
    }
    return found;
  }

  async destroy(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await this.database.db.execute(sql`INSERT INTO sightline_keys.person_key (name)
      SELECT * FROM unnest(${sql.param(names.map(toBytes))}::bytea[])
      ON CONFLICT (name) DO UPDATE SET wrapped = NULL`);
    await this.database.db.execute(sql`VACUUM (FULL) sightline_keys.person_key`);
  }

  /** Nothing: every reading asks the database. */
  forget(): void {
    return;
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

const toBytes = (name: string): Buffer => Buffer.from(name, 'hex');

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += CHUNK) yield items.slice(start, start + CHUNK);
}
