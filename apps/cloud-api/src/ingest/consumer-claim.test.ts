import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ConsumerClaim, type SharedConsumption } from './consumer-claim.js';

let database: Database;
let closeServer: () => Promise<void>;
let held: ConsumerClaim[] = [];

beforeAll(async () => {
  const server = await startTestDatabase();
  closeServer = () => server.close();
  database = await openDatabase({ url: server.url, log: silentLogger });
});
afterEach(async () => {
  await Promise.all(held.map((claim) => claim.release()));
  held = [];
});
afterAll(async () => {
  await database.close();
  await closeServer();
});

async function take(shared?: SharedConsumption, waitMs = 0): Promise<ConsumerClaim> {
  const claim = await ConsumerClaim.take({ database, clock: systemClock, log: silentLogger, shared, waitMs });
  held.push(claim);
  return claim;
}

const refused = expect.objectContaining({ code: 'INGEST.SECOND_CONSUMER' }) as object;
const member = (instance: string): SharedConsumption => ({ group: 'ingest', instance });

/** The server's processes that hold claims. */
async function holders(): Promise<readonly number[]> {
  const { rows } = await database.pool.query<{ pid: number }>(`SELECT pid FROM pg_locks WHERE locktype = 'advisory'`);
  return rows.map(({ pid }) => pid);
}

describe('the claim to the fleet', () => {
  it('is one process’s alone without a group', async () => {
    await take();
    await expect(take()).rejects.toEqual(refused);
    await expect(take(member('a'))).rejects.toEqual(refused);
  });

  it('is shared by the instances of a group, each once, and with nobody outside', async () => {
    await take(member('a'));
    await take(member('b'));
    await expect(take(member('b'))).rejects.toEqual(refused);
    await expect(take()).rejects.toEqual(refused);
  });

  it('waits for a predecessor that goes', async () => {
    const predecessor = await take();
    const successor = take(undefined, 5000);
    await predecessor.release();
    await successor;
  });

  it('goes with the process that held it, and is taken again when only its connection broke', async () => {
    await take(member('a'));
    const before = await holders();
    await database.pool.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [before]);
    // The two locks of another connection: the old one may take a moment to go.
    await expect.poll(async () => (await holders()).filter((pid) => !before.includes(pid))).toHaveLength(2);
    await expect(take(member('a'))).rejects.toEqual(refused);
  });
});
