import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { freePort } from './free-port.js';

const SERVER = 'redis-server';
const START_TIMEOUT_MS = 5000;

export interface RedisServer {
  readonly url: string;
  /** Its files: what it has written of its memory. */
  readonly directory: string;
  /** Ends the server with SIGKILL: it forgets everything. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty, after `kill`. */
  restart(): Promise<void>;
  /** Ends the server and removes its files. */
  close(): Promise<void>;
}

/**
 * Starts Debian's Redis on a free port of the loopback address, in memory alone.
 *
 * @throws Error when it is not installed
 */
export async function startRedis({ policy = 'noeviction' } = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-redis-'));
  const port = await freePort();
  const start = (): Promise<ChildProcess> => startServer(directory, { port, policy });
  let server = await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    directory,
    kill: () => end(server),
    restart: async () => {
      server = await start();
    },
    close: async () => {
      await end(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startServer(
  directory: string,
  { port, policy }: { readonly port: number; readonly policy: string },
): Promise<ChildProcess> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn(SERVER, [...settings, '--dir', directory, '--maxmemory-policy', policy], { stdio: 'ignore' });
  let failure: Error | undefined;
  server.on('error', (error) => (failure = error));
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    await delay(20);
    if (failure) throw new Error('redis-server cannot be started: is it installed?', { cause: failure });
    if (server.exitCode !== null) throw new Error('redis-server ended at once: its port was taken');
    if (await isListening(port)) return server;
  }
  server.kill('SIGKILL');
  throw new Error('redis-server did not come up in time');
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
}
