import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { isUniqueViolation, migrate, openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startDebianPostgres } from './debian-postgres.js';

let server: Awaited<ReturnType<typeof startDebianPostgres>>;
let test: TestDatabase;
let database: Database;

beforeAll(async () => {
  server = await startDebianPostgres();
  test = await startTestDatabase({ serverUrl: server.url });
  database = await openDatabase({ url: test.url, log: silentLogger });
});
afterAll(async () => {
  await database.close();
  await test.close();
  await server.stop();
});

describe('a server’s PostgreSQL, as Debian ships it', () => {
  it('takes the same address, migrations and errors as the embedded one', async () => {
    const { rows: version } = await database.pool.query<{ server_version_num: string }>('SHOW server_version_num');
    expect(Number(version[0]?.server_version_num)).toBeGreaterThanOrEqual(150000);

    const folder = await mkdtemp(join(tmpdir(), 'sightline-migrations-'));
    await writeFile(join(folder, '0001-item.sql'), 'CREATE TABLE item (id integer CONSTRAINT item_id_key UNIQUE);');
    const applied = await Promise.all([1, 2, 3].map(() => migrate(database, { schema: 'shop', folder })));
    expect(applied.flat()).toEqual(['0001-item.sql']);
    await writeFile(join(folder, '0001-item.sql'), 'CREATE TABLE item (id bigint);');
    await expect(migrate(database, { schema: 'shop', folder })).rejects.toMatchObject({
      code: 'DATABASE.MIGRATION_CHANGED',
    });
    await rm(folder, { recursive: true });

    await database.db.execute('INSERT INTO shop.item VALUES (1)');
    const again: unknown = await database.db
      .execute('INSERT INTO shop.item VALUES (1)')
      .catch((error: unknown) => error);
    expect(isUniqueViolation(again, 'item_id_key')).toBe(true);
  });

  it.each([
    ['cloud', '../../apps/cloud-api/migrations'],
    ['registry', '../../apps/model-registry/migrations'],
  ])('knows all the SQL of the schema %s', async (schema, path) => {
    const folder = fileURLToPath(new URL(path, import.meta.url));
    expect(existsSync(folder)).toBe(true);
    expect((await migrate(database, { schema, folder })).length).toBeGreaterThan(0);
    expect(await migrate(database, { schema, folder })).toEqual([]);
  });
});
