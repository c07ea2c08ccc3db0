import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

import { AppError, type Clock, type Logger } from '@sightline/kernel';

import { stopSteps } from './leftover-server.js';
import type { ServerUser } from './server-user.js';

/** How the server ended. */
export interface ServerExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether `stop` asked for it. */
  readonly expected: boolean;
}

export interface ServerProcess {
  readonly port: number;
  readonly exited: Promise<ServerExit>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly program: string;
  readonly data: string;
  readonly user: ServerUser;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

const READY_LINE = 'database system is ready to accept connections';
/** Recovery after a crash may have gigabytes of log to replay. */
const START_PATIENCE_MS = 120_000;
const ATTEMPTS = 20;

// Durable and small. Log lines never hold a value from a query: statements and details are left out, and errors of
// queries are the client's to report.
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '50',
  shared_buffers: '64MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  io_method: 'sync',
  logging_collector: 'off',
  log_destination: 'stderr',
  log_line_prefix: '',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * Starts PostgreSQL on a free port of the loopback interface and waits until it answers. What may pass by itself is
 * tried again: a port that was taken in between, the shared memory of a server that died a moment ago.
 *
 * @throws AppError `DATABASE.EMBEDDED_FAILED`, with the server's last lines; the signal's reason once it is aborted
 */
export async function startServerProcess(options: ServerOptions): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    const server = new PostgresProcess(options, await freePort());
    const failure = await server.ready();
    if (failure === undefined) return server;
    await server.stop();
    options.signal?.throwIfAborted();
    const passing = /could not bind|shared memory block .* still in use|being used by|already in use/.test(failure);
    if (!passing || attempt === ATTEMPTS) {
      throw new AppError('DATABASE.EMBEDDED_FAILED', 'The embedded database server does not start.', {
        details: { reason: failure },
      });
    }
    await options.clock.sleep(250, options.signal);
  }
}

class PostgresProcess implements ServerProcess {
  readonly port: number;
  readonly exited: Promise<ServerExit>;
  readonly #options: ServerOptions;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];
  readonly #isReady: Promise<void>;
  #stopping: Promise<void> | undefined;

  constructor(options: ServerOptions, port: number) {
    this.#options = options;
    this.port = port;
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    // A session of its own, so that Ctrl-C in the terminal reaches us alone and we stop it in our order.
    this.#child = spawn(options.program, ['-D', options.data, '-p', String(port), ...flags], {
      ...options.user,
      cwd: '/',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#isReady = new Promise((resolve) => this.#readLog(resolve));
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null) =>
        resolve({ code, signal, expected: this.#stopping !== undefined });
      this.#child.once('exit', end);
      this.#child.once('error', (error) => {
        this.#lastLines.push(error.message);
        if (this.#child.pid === undefined) end(null, null);
      });
    });
    const lastResort = () => this.#child.kill('SIGINT');
    process.once('exit', lastResort);
    void this.exited.then(() => process.off('exit', lastResort));
  }

  /** Undefined once it answers; otherwise what it said before it ended. */
  async ready(): Promise<string | undefined> {
    const { clock, signal } = this.#options;
    const finished = new AbortController();
    const limit = signal ? AbortSignal.any([signal, finished.signal]) : finished.signal;
    const outcome = await Promise.race([
      this.#isReady.then(() => 'ready' as const),
      this.exited.then(() => 'ended' as const),
      clock.sleep(START_PATIENCE_MS, limit).then(
        () => 'late' as const,
        () => 'aborted' as const,
      ),
    ]);
    finished.abort();
    if (outcome === 'ready') return undefined;
    return outcome === 'late' ? `not ready after ${START_PATIENCE_MS} ms` : this.#lastLines.join(' | ');
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    for (const { signal, patienceMs } of stopSteps) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
      this.#child.kill(signal);
      const waiting = new AbortController();
      const patience = this.#options.clock.sleep(patienceMs, waiting.signal).catch(() => undefined);
      await Promise.race([this.exited, patience]);
      waiting.abort();
    }
  }

  #readLog(whenReady: () => void): void {
    if (!this.#child.stderr) return;
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > 10) this.#lastLines.shift();
      const level = line.startsWith('PANIC') ? 'error' : /^(FATAL|WARNING)/.test(line) ? 'warn' : 'debug';
      this.#options.log[level]({ source: 'postgres' }, line);
      if (line.includes(READY_LINE)) whenReady();
    });
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}
