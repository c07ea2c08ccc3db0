import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { silentLogger } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { migrate } from './migrate.js';
import { openDatabase, type Database } from './open-database.js';
import { startTestDatabase, type TestDatabase } from './testing/index.js';

let test: TestDatabase;
let database: Database;
let folder: string;

beforeAll(async () => {
  test = await startTestDatabase();
  database = await openDatabase({ url: test.url, log: silentLogger });
});
afterAll(async () => {
  await database.close();
  await test.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-migrations-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  await database.pool.query('DROP SCHEMA IF EXISTS "Odd ""name" CASCADE; DROP SCHEMA IF EXISTS shop CASCADE');
});

const write = (name: string, sql: string) => writeFile(join(folder, name), sql);
const first = () => write('0001-item.sql', 'CREATE TABLE item (id integer PRIMARY KEY);');
const second = () => write('0002-price.sql', 'ALTER TABLE item ADD price integer; INSERT INTO item VALUES (1, 5);');
const run = (schema = 'shop') => migrate(database, { schema, folder });

describe('migrate', () => {
  it('applies each file once, in order, inside its own schema', async () => {
    await second();
    await first();
    await write('README.md', 'not a migration');
    expect(await run()).toEqual(['0001-item.sql', '0002-price.sql']);
    expect(await run()).toEqual([]);
    expect((await database.pool.query('SELECT id, price FROM shop.item')).rows).toEqual([{ id: 1, price: 5 }]);
    await write('0003-more.sql', 'INSERT INTO item VALUES (2, 6)');
    expect(await migrate(database, { schema: 'shop', folder: pathToFileURL(folder) })).toEqual(['0003-more.sql']);
    expect((await database.pool.query('SHOW search_path')).rows).toEqual([{ search_path: '"$user", public' }]);
  });

  it('keeps two schemas apart, whatever their names', async () => {
    await first();
    expect(await run()).toHaveLength(1);
    expect(await run('Odd "name')).toHaveLength(1);
  });

  it('lets many processes start at once: one migrates, the others find it done', async () => {
    await first();
    await second();
    const applied = await Promise.all(Array.from({ length: 8 }, () => run()));
    expect(applied.map(({ length }) => length).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 2]);
  });

  it.each([
    ['changed', () => write('0001-item.sql', 'CREATE TABLE item (id bigint PRIMARY KEY);'), '0001-item.sql'],
    ['removed', () => rm(join(folder, '0002-price.sql')), '0002-price.sql'],
  ])('refuses to go on when an applied file was %s', async (_, change, file) => {
    await first();
    await second();
    await run();
    await change();
    await expect(run()).rejects.toMatchObject({ code: 'DATABASE.MIGRATION_CHANGED', details: { file } });
  });

  it('rolls a failing file back whole, keeps those before it, and goes on once it is mended', async () => {
    await first();
    await write('0002-price.sql', 'ALTER TABLE item ADD price integer; SELECT no_such_function();');
    await expect(run()).rejects.toMatchObject({
      code: 'DATABASE.MIGRATION_FAILED',
      details: { file: '0002-price.sql' },
      message: expect.stringContaining('no_such_function') as string,
    });
    expect((await database.pool.query('SELECT * FROM shop.item')).fields.map(({ name }) => name)).toEqual(['id']);
    await second();
    expect(await run()).toEqual(['0002-price.sql']);
  });

  it.each(['0002-item.sql', '1-item.sql', 'item.sql', '0001-Item.sql'])('refuses the file name %s', async (name) => {
    await write(name, 'SELECT 1');
    await expect(run()).rejects.toMatchObject({ code: 'DATABASE.MIGRATION_INVALID', details: { file: name } });
  });
});
