import { inspect } from 'node:util';

import { isAppError, silentLogger } from '@sightline/kernel';
import { eq, sql } from 'drizzle-orm';
import { pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { databaseError, isUniqueViolation } from './database-error.js';
import { openDatabase, type Database } from './open-database.js';
import { startTestDatabase, type TestDatabase } from './testing/index.js';

const person = pgTable('person', { id: uuid().primaryKey(), name: text().notNull().unique('person_name_key') });
const ada = { id: '0190a5c8-0000-7000-8000-000000000001', name: 'Ada Lovelace' };

let test: TestDatabase;
let database: Database;

beforeAll(async () => {
  test = await startTestDatabase();
});
afterAll(() => test.close());
beforeEach(async () => {
  database = await openDatabase({ url: test.url, log: silentLogger, maxConnections: 2 });
  await database.pool.query(
    'CREATE TABLE person (id uuid PRIMARY KEY, name text NOT NULL CONSTRAINT person_name_key UNIQUE)',
  );
});
afterEach(async () => {
  await database.pool.query('DROP TABLE person');
  await database.close();
  await database.close();
});

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('queries', () => {
  it('are typed and transactional', async () => {
    await failure(
      database.db.transaction(async (transaction) => {
        await transaction.insert(person).values(ada);
        throw new Error('changed our mind');
      }),
    );
    expect(await database.db.select().from(person)).toEqual([]);
    await database.db.insert(person).values(ada);
    expect(await database.db.select().from(person).where(eq(person.name, ada.name))).toEqual([ada]);
  });

  it('fail with the constraint by name and without a single value, inside a transaction too', async () => {
    const { db } = database;
    await db.insert(person).values(ada);
    const again = { ...ada, id: '0190a5c8-0000-7000-8000-000000000002' };
    const errors = [
      await failure(db.insert(person).values(again)),
      await failure(db.transaction((transaction) => transaction.insert(person).values(again))),
      await failure(db.execute(sql`INSERT INTO person VALUES (${again.id}, ${again.name})`)),
      await failure(db.execute(sql`SELECT ${ada.name}::uuid`)),
      databaseError(await failure(database.pool.query(`INSERT INTO person VALUES ($1, $2)`, [again.id, again.name]))),
    ];
    expect(errors.map((error) => isUniqueViolation(error))).toEqual([true, true, true, false, true]);
    expect(errors.map((error) => isUniqueViolation(error, 'person_name_key'))).toEqual([true, true, true, false, true]);
    expect(isUniqueViolation(errors[0], 'person_pkey')).toBe(false);
    for (const error of errors) {
      expect(isAppError(error, 'DATABASE.QUERY_FAILED')).toBe(true);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/Ada|Lovelace|0190a5c8/);
    }
  });

  it('tell a deadlock as something to run again', async () => {
    const other = { id: '0190a5c8-0000-7000-8000-000000000002', name: 'Grace Hopper' };
    await database.db.insert(person).values([ada, other]);
    const touch = async (one: string, two: string) =>
      database.db.transaction(async (transaction) => {
        await transaction
          .update(person)
          .set({ name: `${one} 1` })
          .where(eq(person.id, one));
        await transaction.execute(sql`SELECT pg_sleep(0.2)`);
        await transaction
          .update(person)
          .set({ name: `${two} 2` })
          .where(eq(person.id, two));
      });
    const outcomes = await Promise.all([failure(touch(ada.id, other.id)), failure(touch(other.id, ada.id))]);
    const losers = outcomes.filter((outcome) => outcome !== undefined);
    expect(losers).toHaveLength(1);
    expect(losers[0]).toMatchObject({ code: 'DATABASE.CONFLICT', retryable: true });
  });
});

describe('connections', () => {
  it('may break, idle or in a transaction, and the process lives on with new ones', async () => {
    const { db, pool } = database;
    const killAll =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()';
    const broken = failure(
      db.transaction(async (transaction) => {
        await transaction.insert(person).values(ada);
        await pool.query(killAll);
        await new Promise((resolve) => setTimeout(resolve, 100)); // the connection breaks between two queries
        await transaction.execute(sql`SELECT 1`);
      }),
    );
    expect(await broken).toMatchObject({ code: 'DATABASE.UNAVAILABLE', retryable: true });
    expect(await db.select().from(person)).toEqual([]);
  });

  it('wait for a free one within bounds', async () => {
    const small = await openDatabase({
      url: test.url,
      log: silentLogger,
      maxConnections: 1,
      connectionTimeoutMs: 100,
    });
    const held = await small.pool.connect();
    const failures = [
      await failure(small.db.execute(sql`SELECT 1`)),
      await failure(small.db.transaction(async () => 1)),
    ];
    for (const error of failures) expect(error).toMatchObject({ code: 'DATABASE.UNAVAILABLE', retryable: true });
    held.release();
    await small.close();
    expect(await failure(small.db.execute(sql`SELECT 1`))).toMatchObject({ code: 'DATABASE.UNAVAILABLE' });
  });

  it('are refused with a code that says whether to try again', async () => {
    const open = (change: (url: URL) => void) => {
      const url = new URL(test.url);
      change(url);
      return failure(openDatabase({ url: url.href, log: silentLogger }));
    };
    expect(await open((url) => (url.port = '1'))).toMatchObject({ code: 'DATABASE.UNAVAILABLE', retryable: true });
    expect(await open((url) => (url.password = 'wrong'))).toMatchObject({
      code: 'DATABASE.QUERY_FAILED',
      retryable: false,
      details: { sqlState: '28P01' },
    });
    expect(await open((url) => (url.pathname = '/sightline_test_none'))).toMatchObject({
      details: { sqlState: '3D000' },
    });
  });
});
