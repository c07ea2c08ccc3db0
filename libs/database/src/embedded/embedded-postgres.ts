import { AppError, silentLogger, StopStack, systemClock, type Clock, type Logger } from '@sightline/kernel';
import pg from 'pg';

import { provideBinaries } from './binaries.js';
import { ensureCluster, ROLE } from './cluster.js';
import { deleteHome, findHome, lockHome, openHome, readPassword } from './home.js';
import { stopLeftoverServer } from './leftover-server.js';
import { startServerProcess, type ServerExit, type ServerProcess } from './server-process.js';
import { chooseServerUser } from './server-user.js';

/** For programs and data that the server's user cannot reach where the caller has them. Used when root alone. */
const SHARED_DIRECTORY = '/var/lib/sightline';

export interface EmbeddedPostgresOptions {
  /** Where the data shall live; made when missing. See {@link openHome} for the rule when root starts us. */
  readonly directory: string;
  readonly log: Logger;
  /** Ends a start that is under way. A running server is ended by `stop`. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Default: /var/lib/sightline. */
  readonly sharedDirectory?: string;
}

export interface EmbeddedPostgres {
  /** Connection string of the superuser, password included: never log it. */
  readonly url: string;
  /** Resolves when the server has ended, by `stop` or by itself; the latter is an error that was logged too. */
  readonly exited: Promise<ServerExit>;
  /** Ends the server in an orderly way, within 20 s. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server of our own on `directory`: durable, on a free loopback port, with a random password.
 * A server that a killed process left on the same data is stopped first.
 *
 * @throws AppError `DATABASE.IN_USE` while another live process runs this directory's server;
 *   `DATABASE.EMBEDDED_UNSUPPORTED` where no program runs; `DATABASE.EMBEDDED_FAILED` with the server's own words
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { directory, log, signal, clock = systemClock, sharedDirectory = SHARED_DIRECTORY } = options;
  const started = new StopStack();
  try {
    const user = await chooseServerUser();
    const home = await openHome(directory, user, sharedDirectory);
    started.push(await lockHome(home));
    await stopLeftoverServer(home.data, clock, log);
    signal?.throwIfAborted();
    const binaries = await provideBinaries(user, sharedDirectory);
    const password = await readPassword(home);
    const owner = await ensureCluster(home, password, binaries, user);
    const server = await startServerProcess({
      program: binaries.postgres,
      data: home.data,
      user: owner,
      log,
      clock,
      signal,
    });
    started.push(() => server.stop());
    const url = (name: string) => `postgres://${ROLE}:${password}@127.0.0.1:${server.port}/${name}`;
    await ensureDatabase(url('postgres'), ROLE);
    signal?.throwIfAborted();
    reportCrash(server, log);
    log.info({ port: server.port, data: home.data }, 'the embedded database runs');
    return { url: url(ROLE), exited: server.exited, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw describeRefusal(error);
  }
}

/** Files of another user (root's, when a user follows it in the same folder) are a usual mistake: said in words. */
function describeRefusal(error: unknown): unknown {
  const { code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  return new AppError('DATABASE.EMBEDDED_FAILED', 'The directory of the embedded database belongs to another user.', {
    cause: error,
    details: { path: path ?? '' },
  });
}

/**
 * Deletes everything that {@link startEmbeddedPostgres} made for this directory, wherever it lies; a server that a
 * killed process left is stopped. Does nothing when there is nothing.
 *
 * @throws AppError `DATABASE.IN_USE` while a live process runs it
 */
export async function removeEmbeddedPostgres(
  options: Pick<EmbeddedPostgresOptions, 'directory' | 'clock' | 'sharedDirectory'> & { readonly log?: Logger },
): Promise<void> {
  const { directory, log = silentLogger, clock = systemClock, sharedDirectory = SHARED_DIRECTORY } = options;
  const home = await findHome(directory);
  if (!home) return;
  const unlock = await lockHome(home);
  try {
    await stopLeftoverServer(home.data, clock, log);
    await deleteHome(directory, home, sharedDirectory);
  } finally {
    await unlock();
  }
}

function reportCrash(server: ServerProcess, log: Logger): void {
  void server.exited.then(({ code, signal, expected }) => {
    if (!expected) log.error({ code, signal }, 'the embedded database server ended by itself');
  });
}

async function ensureDatabase(url: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // told by the query that it breaks
  try {
    await client.connect();
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } catch (cause) {
    throw new AppError('DATABASE.EMBEDDED_FAILED', 'The embedded database server does not let us in.', { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}
