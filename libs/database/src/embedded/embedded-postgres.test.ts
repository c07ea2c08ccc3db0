import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger, type Logger } from '@sightline/kernel';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { removeEmbeddedPostgres, startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';

const isRoot = process.getuid?.() === 0;
const log = silentLogger;
let base: string;
const running: EmbeddedPostgres[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'sightline-embedded-'));
  await chmod(base, 0o755);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  await rm(base, { recursive: true, force: true });
});

async function start(directory: string, more: { log?: Logger; sharedDirectory?: string; signal?: AbortSignal } = {}) {
  const server = await startEmbeddedPostgres({ directory, log, ...more });
  running.push(server);
  return server;
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

describe('the embedded server', () => {
  it('keeps its data over a stop and a start', async () => {
    const directory = join(base, 'nested', 'database');
    const first = await start(directory);
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await first.stop();
    expect(await first.exited).toMatchObject({ code: 0, expected: true });

    const second = await start(directory);
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([[42]]);
  });

  it('is durable, UTF-8 with C collation, and reachable over loopback with a password alone', async () => {
    const { url } = await start(join(base, 'a'));
    const settings = ['fsync', 'synchronous_commit', 'full_page_writes', 'server_encoding', 'password_encryption'];
    const values = await Promise.all(settings.map((name) => ask(url, `SHOW ${name}`)));
    expect(values.flat(2)).toEqual(['on', 'on', 'on', 'UTF8', 'scram-sha-256']);
    expect(await ask(url, 'SHOW listen_addresses')).toEqual([['127.0.0.1']]);
    expect(await ask(url, 'SHOW unix_socket_directories')).toEqual([['']]);
    expect(await ask(url, 'SELECT datcollate FROM pg_database WHERE datname = current_database()')).toEqual([['C']]);

    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect((await stat(join(base, 'a', 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(base, 'a', 'data'))).mode & 0o777).toBe(0o700);
  });

  it('runs beside another one on another directory', async () => {
    const [one, two] = await Promise.all([start(join(base, 'one')), start(join(base, 'two'))]);
    await ask(one.url, 'CREATE TABLE mine (x integer)');
    expect(await ask(two.url, `SELECT to_regclass('mine')`)).toEqual([[null]]);
    expect(new URL(one.url).port).not.toBe(new URL(two.url).port);
  });

  it('writes no value of a query into the log', async () => {
    const lines: string[] = [];
    const keep = (_: unknown, message: string) => void lines.push(message);
    const recorder: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => recorder };
    const { url } = await start(join(base, 'a'), { log: recorder });
    await ask(url, `CREATE TABLE person (name text UNIQUE); INSERT INTO person VALUES ('Ada')`);
    await expect(ask(url, `INSERT INTO person VALUES ('Ada')`)).rejects.toThrow('duplicate key');
    await expect(ask(url, `SELECT 'Ada'::integer`)).rejects.toThrow('invalid input');
    await running[0]?.stop();
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.join('\n')).not.toContain('Ada');
  });

  it('leaves neither server nor lock behind when the start is aborted while the server comes up', async () => {
    const directory = join(base, 'a');
    const controller = new AbortController();
    const debug = () => controller.abort(new Error('not wanted any more')); // at the server's first line
    const starting = startEmbeddedPostgres({ directory, log: { ...log, debug }, signal: controller.signal });
    await expect(starting).rejects.toThrow('not wanted any more');
    expect(await readdir(directory)).not.toContain('server.lock');
    expect(await readdir(join(directory, 'data'))).not.toContain('postmaster.pid');
    await expect(start(join(base, 'b'), { signal: controller.signal })).rejects.toThrow('not wanted any more');
  });

  it('starts anew after an initialisation that was killed half-way', async () => {
    const directory = join(base, 'a');
    await mkdir(join(directory, 'data.new', 'data'), { recursive: true });
    await writeFile(join(directory, 'data.new', 'data', 'PG_VERSION'), '18\n');
    const { url } = await start(directory);
    expect(await ask(url, 'SELECT 1')).toEqual([[1]]);
    expect(await readdir(directory)).not.toContain('data.new');
  });

  it('says in words when the data is of no use', async () => {
    const directory = join(base, 'a');
    await (await start(directory)).stop();
    await writeFile(join(directory, 'data', 'PG_VERSION'), '9\n');
    await expect(start(directory)).rejects.toMatchObject({
      code: 'DATABASE.EMBEDDED_FAILED',
      details: { reason: expect.stringContaining('incompatible') as string },
    });
  });
});

describe('below a folder that only its owner may enter', () => {
  it('runs, keeps its data, and can be removed without a trace', async () => {
    const shut = join(base, 'shut');
    const shared = join(base, 'shared');
    await mkdir(shut, { mode: 0o700 });
    await mkdir(shared, { mode: 0o755 });
    const directory = join(shut, 'database');
    const first = await start(directory, { sharedDirectory: shared });
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start(directory, { sharedDirectory: shared });
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([[42]]);
    if (isRoot) {
      const location = (await readFile(join(directory, 'location'), 'utf8')).trim();
      expect(location.startsWith(join(shared, 'postgres'))).toBe(true);
    }
    await expect(removeEmbeddedPostgres({ directory, sharedDirectory: shared })).rejects.toMatchObject({
      code: 'DATABASE.IN_USE',
    });
    await second.stop();
    await removeEmbeddedPostgres({ directory, sharedDirectory: shared });
    expect(await readdir(shut)).toEqual([]);
    if (isRoot) expect(await readdir(join(shared, 'postgres'))).toEqual([]);
    await removeEmbeddedPostgres({ directory, sharedDirectory: shared });
  });

  it('does not find the data of a directory that was deleted and made again', async () => {
    const shut = join(base, 'shut');
    const shared = join(base, 'shared');
    await mkdir(shut, { mode: 0o700 });
    await mkdir(shared, { mode: 0o755 });
    const first = await start(join(shut, 'a'), { sharedDirectory: shared });
    await ask(first.url, 'CREATE TABLE old (x integer)');
    await first.stop();
    await rm(join(shut, 'a'), { recursive: true });
    const second = await start(join(shut, 'a'), { sharedDirectory: shared });
    expect(await ask(second.url, `SELECT to_regclass('old')`)).toEqual([[null]]);
  });
});
