import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AppError } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { takeLock } from './lock-file.js';
import { findProcess, fromPs, fromSignal } from './process-table.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-lock-'));
  path = join(directory, 'server.lock');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const DEAD_PID = 2 ** 22 + 1; // above the kernel's highest number

const take = (): ReturnType<typeof takeLock> =>
  takeLock(path, (pid) => new AppError('TEST.IN_USE', 'Somebody has it.', { details: { pid } }));
const named = (pid: number, startedAt: string): string => `${JSON.stringify({ pid, startedAt, id: 'x' })}\n`;

describe('a lock file', () => {
  it('has one holder, and is free after its release', async () => {
    const release = await take();
    await expect(take()).rejects.toMatchObject({ code: 'TEST.IN_USE', details: { pid: process.pid } });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await release();
    await release();
    await (
      await take()
    )();
    expect(await readdir(directory)).toEqual([]);
  });

  it('holds another process off while its owner lives, and no longer', async () => {
    const module = new URL('../dist/index.js', import.meta.url).href;
    const program = `import { takeLock } from '${module}';
      await takeLock(${JSON.stringify(path)}, () => new Error('taken')); console.log('locked');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await expect(take()).rejects.toMatchObject({ details: { pid: child.pid } });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (
      await take()
    )();
  });

  it.each([
    ['a number that no process has', named(DEAD_PID, '1')],
    ['our number, given to an earlier process', named(process.pid, '1')],
    ['another live process’s number, given to an earlier one', named(process.ppid, '1')],
    ['half of an owner', '{"pid":'],
    ['nothing that can be read', 'garbage'],
    ['nothing', ''],
  ])('is taken over when it names %s', async (_, content) => {
    await writeFile(path, content);
    await (
      await take()
    )();
  });

  it('is taken over when whoever took it over has died before it was done', async () => {
    const [dead, successor] = [named(DEAD_PID, '1'), named(DEAD_PID, '2')];
    await writeFile(path, dead);
    await writeFile(`${path}.${createHash('sha256').update(dead).digest('hex').slice(0, 32)}`, successor);
    const release = await take();
    await expect(take()).rejects.toThrow();
    await release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('is not given back for a later holder', async () => {
    const release = await take();
    await writeFile(path, named(DEAD_PID, '1'));
    const later = await take();
    const content = await readFile(path, 'utf8');
    await release();
    expect(await readFile(path, 'utf8')).toBe(content);
    await later();
  });

  it('is won by exactly one of many that find it stale at the same moment', async () => {
    for (let round = 0; round < 60; round++) {
      await writeFile(path, named(DEAD_PID, String(round)));
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, take));
      const won = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
      expect(won).toHaveLength(1);
      await won[0]!();
      expect(await readdir(directory)).toEqual([]);
    }
  });
});

describe('the process table', () => {
  it('knows this process the same way every time, and no process that is not there', () => {
    expect(findProcess(process.pid)?.arguments.length).toBeGreaterThan(0);
    expect(findProcess(process.pid)).toEqual(findProcess(process.pid));
    expect(findProcess(process.pid)?.startedAt).not.toBe(findProcess(process.ppid)?.startedAt);
    expect([DEAD_PID, 0, -1, NaN].map(findProcess)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('can be read from ps where there is no /proc', () => {
    const facts = fromPs(process.pid);
    expect(facts?.startedAt).toMatch(/\d\d:\d\d:\d\d \d{4}$/);
    expect(facts?.arguments[0]).toContain('node');
    expect(fromPs(DEAD_PID)).toBeUndefined();
  });

  it('knows at least who is there where there is neither', () => {
    expect(fromSignal(process.pid)).toEqual({ startedAt: '', arguments: [] });
    expect(fromSignal(DEAD_PID)).toBeUndefined();
  });
});
