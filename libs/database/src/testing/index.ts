import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AppError, isAppError, silentLogger } from '@sightline/kernel';
import pg from 'pg';

import { removeEmbeddedPostgres, startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/embedded-postgres.js';

export interface TestDatabase {
  /** Connection string of a fresh, empty database. */
  readonly url: string;
  /** Drops it; the embedded server goes with the last one. Safe to call twice. */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** A superuser's address on a running server. Default: an embedded server, one per process. */
  readonly serverUrl?: string;
}

const NAME_PREFIX = 'sightline_test_';
const DIRECTORY_PREFIX = 'sightline-test-postgres-';

interface SharedServer {
  readonly directory: string;
  readonly server: EmbeddedPostgres;
}
let shared: Promise<SharedServer> | undefined;
let users = 0;

/** A fresh database for one test file. Only databases whose name says that they are for tests are made or dropped. */
export async function startTestDatabase({ serverUrl }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const name = NAME_PREFIX + randomUUID().replaceAll('-', '');
  const server = serverUrl ?? (await acquireServer());
  const release = serverUrl === undefined ? releaseServer : async () => undefined;
  try {
    await runOn(server, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } catch (error) {
    await release();
    throw error;
  }
  const url = withDatabase(server, name);
  let closing: Promise<void> | undefined;
  const close = async () => {
    await dropTestDatabase(url);
    await release();
  };
  return { url, close: () => (closing ??= close()) };
}

/**
 * Drops a database with everything in it, and whoever is connected.
 *
 * @throws AppError `DATABASE.NOT_A_TEST_DATABASE` unless its name says that it is for tests
 */
export async function dropTestDatabase(url: string): Promise<void> {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  if (!name.startsWith(NAME_PREFIX)) {
    throw new AppError('DATABASE.NOT_A_TEST_DATABASE', 'Tests touch only databases that were made for them.', {
      details: { name },
    });
  }
  await runOn(withDatabase(url, 'postgres'), `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function runOn(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function acquireServer(): Promise<string> {
  users += 1;
  shared ??= startShared();
  try {
    return (await shared).server.url;
  } catch (error) {
    users -= 1;
    shared = undefined;
    throw error;
  }
}

async function releaseServer(): Promise<void> {
  users -= 1;
  if (users > 0 || !shared) return;
  const ending = shared;
  shared = undefined;
  const { server, directory } = await ending;
  await server.stop();
  await removeEmbeddedPostgres({ directory });
}

async function startShared(): Promise<SharedServer> {
  await removeLeftovers();
  const directory = await mkdtemp(join(tmpdir(), DIRECTORY_PREFIX));
  if (process.getuid?.() === 0) await chmod(directory, 0o711);
  return { directory, server: await startEmbeddedPostgres({ directory, log: silentLogger }) };
}

/** Ends and deletes the servers of test processes that were killed. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(DIRECTORY_PREFIX)) continue;
    const directory = join(tmpdir(), name);
    try {
      // Another user may put anything in there, also the name of somebody else's data.
      if ((await lstat(directory)).uid !== process.getuid?.()) continue;
      await removeEmbeddedPostgres({ directory });
    } catch (error) {
      // A live test process's own, or one that went away while we looked, or another user's.
      const code = (error as NodeJS.ErrnoException).code;
      if (!isAppError(error, 'DATABASE.IN_USE') && !['ENOENT', 'EACCES', 'EPERM'].includes(code ?? '')) throw error;
    }
  }
}
