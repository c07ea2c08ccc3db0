import { cp, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

import { openDatabase, type Database } from '@sightline/database';
import { silentLogger } from '@sightline/kernel';

/** Where an embedded server's files lie: in its folder, or where the folder's `location` says. */
export async function serverHome(directory: string): Promise<string> {
  const pointer = await readFile(join(directory, 'location'), 'utf8').catch(() => undefined);
  return pointer === undefined ? directory : realpath(pointer.trim());
}

/** Connects to an embedded server as its superuser. */
export async function connectTo(home: string): Promise<Database> {
  const password = (await readFile(join(home, 'password'), 'utf8')).trim();
  const port = (await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n')[3] ?? '';
  return openDatabase({ url: `postgres://sightline:${password}@127.0.0.1:${port}/sightline`, log: silentLogger });
}

/**
 * A base backup of a running server by PostgreSQL's own interface (its documentation, 26.3.3), write-ahead log
 * included, as `pg_basebackup --wal-method=fetch` makes it.
 */
export async function baseBackup(database: Database, home: string, into: string): Promise<void> {
  const client = await database.pool.connect();
  try {
    await client.query(`SELECT pg_backup_start('test', true)`);
    await cp(join(home, 'data'), into, { recursive: true, filter: (path) => !path.endsWith('postmaster.pid') });
    await client.query('SELECT pg_backup_stop()');
  } finally {
    client.release();
  }
}
