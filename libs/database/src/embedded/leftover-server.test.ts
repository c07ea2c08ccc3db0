import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { silentLogger, systemClock, type Logger } from '@sightline/kernel';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { removeEmbeddedPostgres, startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';
import { isServerOf } from './leftover-server.js';

const log = silentLogger;
let directory: string;
let server: EmbeddedPostgres | undefined;
const children: ChildProcess[] = [];

// One directory for all, initialised once: a test leaves no server behind, and makes a table of its own.
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-leftover-'));
  await chmod(directory, 0o755);
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

afterAll(async () => {
  await removeEmbeddedPostgres({ directory }); // and what a killed child left
  await rm(directory, { recursive: true, force: true });
});

/** A process of its own that starts the server of `directory` and tells its address. */
async function startInChild() {
  const library = new URL('../../dist/index.js', import.meta.url).href;
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(library)});
    const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
    const { url } = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, log: quiet });
    process.on('SIGTERM', () => process.exit(0));
    console.log(url);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, url };
}

async function ask(url: string, query: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: query, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

const postmasterPid = async () =>
  Number((await readFile(join(directory, 'data/postmaster.pid'), 'utf8')).split('\n')[0]);

/** A process that the server has just made looks like the server itself for a moment: ask until it does not. */
async function postmasters(): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  return pids.filter((pid) => isServerOf(pid, join(directory, 'data')));
}

describe('a server whose supervisor is gone', () => {
  it('is stopped by the next start, so that there is one, with all committed rows', async () => {
    const { child, url } = await startInChild();
    await ask(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const orphan = await postmasterPid();
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect.poll(postmasters).toEqual([orphan]);

    server = await startEmbeddedPostgres({ directory, log });
    await expect.poll(postmasters).toEqual([await postmasterPid()]);
    expect(await postmasterPid()).not.toBe(orphan);
    expect(await ask(server.url, 'SELECT answer FROM kept')).toEqual([[42]]);
  });

  it('is refused to a second starter while the first lives', async () => {
    const { child, url } = await startInChild();
    await expect(startEmbeddedPostgres({ directory, log })).rejects.toMatchObject({
      code: 'DATABASE.IN_USE',
      details: { pid: child.pid },
    });
    expect(await ask(url, 'SELECT 1')).toEqual([[1]]);
    await expect.poll(postmasters).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    server = await startEmbeddedPostgres({ directory, log });
    await expect(startEmbeddedPostgres({ directory, log })).rejects.toMatchObject({ code: 'DATABASE.IN_USE' });
  });

  it('ends with a supervisor that exits without stopping it', async () => {
    const { child } = await startInChild();
    await expect.poll(postmasters).toHaveLength(1);
    child.kill('SIGTERM'); // its handler calls process.exit
    await once(child, 'exit');
    await expect.poll(postmasters, { timeout: 10_000 }).toEqual([]);
  });
});

describe('a server that dies under a living supervisor', () => {
  it('is reported, and the next start recovers every committed row', async () => {
    const errors: string[] = [];
    const recorder: Logger = { ...log, error: (_, message) => void errors.push(message), child: () => recorder };
    const crashing = await startEmbeddedPostgres({ directory, log: recorder });
    await ask(crashing.url, 'CREATE TABLE kept_too AS SELECT 42 AS answer');
    process.kill(await postmasterPid(), 'SIGKILL');
    expect(await crashing.exited).toEqual({ code: null, signal: 'SIGKILL', expected: false });
    expect(errors).toEqual(['the embedded database server ended by itself']);
    await crashing.stop();

    server = await startEmbeddedPostgres({ directory, log });
    expect(await ask(server.url, 'SELECT answer FROM kept_too')).toEqual([[42]]);
  });

  it('leaves a lock file that may name a living stranger, who is left alone', async () => {
    await (await startEmbeddedPostgres({ directory, log })).stop();
    const stranger = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      await writeFile(join(directory, 'data/postmaster.pid'), `${String(stranger.pid)}\n${join(directory, 'data')}\n`);
      server = await startEmbeddedPostgres({ directory, log });
      expect(await ask(server.url, 'SELECT 1')).toEqual([[1]]);
      await systemClock.sleep(50);
      expect(stranger.exitCode).toBeNull();
      expect(stranger.signalCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });
});
