import { migrate, openDatabase, type Database } from '@sightline/database';
import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ConsumerClaim } from './consumer-claim.js';
import { GroupMembers } from './group-members.js';

let database: Database;
let closeServer: () => Promise<void>;

beforeAll(async () => {
  const server = await startTestDatabase();
  closeServer = () => server.close();
  database = await openDatabase({ url: server.url, log: silentLogger });
  await migrate(database, { schema: 'cloud', folder: new URL('../../migrations', import.meta.url) });
});
afterAll(async () => {
  await database.close();
  await closeServer();
});

async function join(instance: string, forgotten: string[]) {
  const shared = { group: 'ingest', instance };
  const parts = { database, clock: systemClock, log: silentLogger, shared };
  const claim = await ConsumerClaim.take(parts);
  const members = new GroupMembers({
    ...{ ...parts, clientId: `cloud-api:${instance}`, every: { lookMs: 10, goneMs: 50 } },
    forgetSession: async (clientId) => void forgotten.push(clientId),
  });
  await members.start();
  return { claim, members };
}

const instances = async (): Promise<readonly unknown[]> =>
  (await database.pool.query<{ instance: string }>('SELECT instance FROM cloud.ingest_member ORDER BY 1')).rows.map(
    ({ instance }) => instance,
  );

describe('the members of a group', () => {
  it('end the session of one that stays away, once, and of nobody who lives', async () => {
    const forgotten: string[] = [];
    const [first, second, third] = [await join('a', forgotten), await join('b', forgotten), await join('c', forgotten)];
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(forgotten).toEqual([]);
    await third.members.stop();
    await third.claim.release();
    await expect.poll(instances).toEqual(['a', 'b']);
    const returned = await join('c', forgotten);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(forgotten).toEqual(['cloud-api:c']);
    expect(await instances()).toEqual(['a', 'b', 'c']);
    for (const { members, claim } of [first, second, returned]) {
      await members.stop();
      await claim.release();
    }
  });
});
