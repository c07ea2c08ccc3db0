import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { comesUp, killServer } from './server-process.js';

const SERVER = 'redis-server';

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
 * Starts Debian's Redis on a free port of the loopback address.
 *
 * @param options `writes`: whether it writes every command to its files; by default it is in memory alone
 * @throws Error when it is not installed
 */
export async function startRedis({ policy = 'noeviction', writes = false } = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-redis-'));
  const port = await freePort();
  const start = (): Promise<ChildProcess> => startServer(directory, { port, policy, writes });
  let server = await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    directory,
    kill: () => killServer(server),
    restart: async () => {
      server = await start();
    },
    close: async () => {
      await killServer(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startServer(
  directory: string,
  { port, policy, writes }: { readonly port: number; readonly policy: string; readonly writes: boolean },
): Promise<ChildProcess> {
  const durability = ['--save', '', '--appendonly', writes ? 'yes' : 'no', '--appendfsync', 'always'];
  const settings = ['--port', String(port), '--bind', '127.0.0.1', ...durability];
  const server = spawn(SERVER, [...settings, '--dir', directory, '--maxmemory-policy', policy], { stdio: 'ignore' });
  if (!(await comesUp(server, SERVER, port))) throw new Error('redis-server ended at once: its port was taken');
  return server;
}
