import { AppError, silentLogger } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { openDatabase, type Database } from './open-database.js';
import { startTestDatabase, type TestDatabase } from './testing/index.js';
import { inTransaction } from './transaction.js';

const PLACES = 2;
let server: TestDatabase;
let outside: Database;
let database: Database;

beforeAll(async () => {
  server = await startTestDatabase();
  outside = await openDatabase({ url: server.url, log: silentLogger, maxConnections: 1 });
  database = await openDatabase({
    ...{ url: server.url, log: silentLogger, maxConnections: PLACES, connectionTimeoutMs: 2000 },
  });
  await database.db.execute(sql`CREATE TABLE counted (n integer)`);
});
afterAll(async () => {
  await database.close();
  await outside.close();
  await server.close();
});

const count = async (): Promise<unknown> => (await database.pool.query('SELECT count(*)::int AS n FROM counted')).rows;

type Connect = () => Promise<{
  query(text: string): Promise<{ readonly rows: readonly { readonly pid: number }[] }>;
}>;

/** Every connection is dead by the time it is handed out. */
function handOutDeadConnections() {
  const connect = database.pool.connect.bind(database.pool) as Connect;
  const dead: Connect = async () => {
    const client = await connect();
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    await outside.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return client;
  };
  return vi.spyOn(database.pool, 'connect').mockImplementation(dead as never);
}

describe('a transaction', () => {
  it('commits what its work did', async () => {
    await inTransaction(database, async (tx) => tx.execute(sql`INSERT INTO counted VALUES (1)`));
    expect(await count()).toEqual([{ n: 1 }]);
  });

  it('rolls back when its work fails, and passes the reason on', async () => {
    const work = inTransaction(database, async (tx) => {
      await tx.execute(sql`INSERT INTO counted VALUES (2)`);
      throw new AppError('PERSON.NOT_FOUND', 'There is nobody.');
    });
    await expect(work).rejects.toMatchObject({ code: 'PERSON.NOT_FOUND' });
    expect(await count()).toEqual([{ n: 1 }]);
  });

  it('keeps no connection, however often one breaks before it began', async () => {
    const dead = handOutDeadConnections();
    for (let time = 0; time < 2 * PLACES; time += 1) {
      const work = inTransaction(database, async (tx) => tx.execute(sql`INSERT INTO counted VALUES (3)`));
      await expect(work).rejects.toMatchObject({ code: 'DATABASE.UNAVAILABLE', retryable: true });
    }
    dead.mockRestore();
    expect(database.pool.totalCount).toBe(database.pool.idleCount);
    await inTransaction(database, async (tx) => tx.execute(sql`INSERT INTO counted VALUES (4)`));
    expect(await count()).toEqual([{ n: 2 }]);
  });
});
