import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const PROGRAMS = '/usr/lib/postgresql';

export interface DebianPostgres {
  /** Address of its superuser. */
  readonly url: string;
  /** Of the server that runs now. */
  readonly pid: number;
  /** Ends the server with SIGKILL, as a crash would: its processes, but not its files, are gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files, after `kill`. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A throw-away server of Debian's own PostgreSQL package, as somebody's production server would be.
 *
 * @param settings `name=value`, as for `postgres -c`
 */
export async function startDebianPostgres(settings: readonly string[] = []): Promise<DebianPostgres> {
  const version = (await readdir(PROGRAMS)).sort((a, b) => Number(a) - Number(b))[0] ?? '';
  const programs = join(PROGRAMS, version, 'bin');
  const user = await userToRunAs();
  const directory = await mkdtemp(join(tmpdir(), 'sightline-debian-postgres-'));
  if (user.uid !== undefined && user.gid !== undefined) await chown(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { ...user, cwd: '/', env: { LC_ALL: 'C' } };
  await promisify(execFile)(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'admin', '--auth=trust', '-E', 'UTF8'],
    options,
  );
  const port = await freePort();
  const where = ['-D', data, '-p', String(port), '-k', '', '-h', '127.0.0.1'];
  const start = (): Promise<ChildProcess> =>
    startServer(join(programs, 'postgres'), [...where, ...settings.flatMap((setting) => ['-c', setting])], options);
  let server = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  return {
    url: `postgres://admin@127.0.0.1:${port}/postgres`,
    get pid() {
      return server.pid ?? 0;
    },
    kill: () => end('SIGKILL'),
    restart: async () => {
      server = await start();
    },
    stop: async () => {
      await end('SIGINT');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The children of a server that was killed go by themselves, a moment later: until then a new one refuses to start. */
const START_ATTEMPTS = 50;

async function startServer(program: string, words: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    const server = spawn(program, words, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    const ready = new Promise<true>((resolve) => {
      createInterface({ input: server.stderr }).on('line', (line) => {
        if (line.includes('ready to accept connections')) resolve(true);
      });
    });
    if (await Promise.race([ready, once(server, 'exit').then(() => false)])) return server;
    await delay(100);
  }
  throw new Error('Debian’s PostgreSQL did not start');
}

async function userToRunAs(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
