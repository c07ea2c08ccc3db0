import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { findProcess, fromPs } from './process-table.js';
import { lockHome } from './supervisor-lock.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-lock-'));
  path = join(directory, 'server.lock');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const DEAD_PID = 2 ** 22 + 1; // above the kernel's highest number

describe('the lock of a home', () => {
  it('has one holder, and is free after its release', async () => {
    const release = await lockHome(path);
    await expect(lockHome(path)).rejects.toMatchObject({ code: 'DATABASE.IN_USE', details: { pid: process.pid } });
    await release();
    await release();
    await (
      await lockHome(path)
    )();
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    ['a number that no process has', `${DEAD_PID} 1 x\n`],
    ['our number, given to an earlier process', `${process.pid} 1 x\n`],
    ['nothing that can be read', 'garbage'],
  ])('is taken over when it names %s', async (_, content) => {
    await writeFile(path, content);
    await (
      await lockHome(path)
    )();
  });

  it('is won by exactly one of many that find it stale at the same moment', async () => {
    for (let round = 0; round < 20; round++) {
      await writeFile(path, `${DEAD_PID} 1 ${round}\n`);
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockHome(path)));
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
    expect([DEAD_PID, 0, -1, NaN].map(findProcess)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('can be read from ps where there is no /proc', () => {
    const facts = fromPs(process.pid);
    expect(facts?.startedAt).toMatch(/\d\d:\d\d:\d\d \d{4}$/);
    expect(facts?.arguments[0]).toContain('node');
    expect(fromPs(DEAD_PID)).toBeUndefined();
  });
});
