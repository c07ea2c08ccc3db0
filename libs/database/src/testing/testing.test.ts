import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';

import { silentLogger } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { openDatabase } from '../open-database.js';
import { dropTestDatabase, startTestDatabase } from './index.js';

describe('test databases', () => {
  it('are empty and apart on one server, which goes with the last of them', async () => {
    const before = new Set(await readdir(tmpdir()));
    const [one, two] = await Promise.all([startTestDatabase(), startTestDatabase()]);
    expect(new URL(one.url).host).toBe(new URL(two.url).host);
    expect(one.url).not.toBe(two.url);
    const database = await openDatabase({ url: one.url, log: silentLogger });
    const { rows } = await database.pool.query(`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`);
    expect(rows).toEqual([]);

    const mine = (await readdir(tmpdir())).filter((name) => name.startsWith('sightline-test-') && !before.has(name));
    await one.close(); // although somebody is connected
    await one.close();
    await database.close();
    const still = await openDatabase({ url: two.url, log: silentLogger });
    await still.close();
    await two.close();
    const after = await readdir(tmpdir());
    expect(mine.some((name) => !after.includes(name))).toBe(true);
  });

  it('are the only ones that may be dropped', async () => {
    const production = new URL('postgres://sightline:secret@127.0.0.1:1/sightline');
    await expect(dropTestDatabase(production.href)).rejects.toMatchObject({ code: 'DATABASE.NOT_A_TEST_DATABASE' });
  });
});
