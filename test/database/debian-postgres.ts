import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const PROGRAMS = '/usr/lib/postgresql';

interface DebianPostgres {
  /** Address of its superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A throw-away server of Debian's own PostgreSQL package, as somebody's production server would be. */
export async function startDebianPostgres(): Promise<DebianPostgres> {
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
  const server = spawn(join(programs, 'postgres'), ['-D', data, '-p', String(port), '-k', '', '-h', '127.0.0.1'], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(server, 'exit');
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: server.stderr }).on('line', (line) => {
      if (line.includes('ready to accept connections')) resolve();
    });
  });
  await Promise.race([
    ready,
    exited.then(() => {
      throw new Error('Debian’s PostgreSQL did not start');
    }),
  ]);
  return {
    url: `postgres://admin@127.0.0.1:${port}/postgres`,
    stop: async () => {
      server.kill('SIGINT');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
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
