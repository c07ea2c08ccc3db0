import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import type { SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { noteSeenAtSites, type SeenAtSite } from './seen-at-site.js';

const seenAt = (key: string, lastSeenAt: number): SeenAtSite => {
  const [tenantId = '', siteId = '', personId = ''] = key.split('/');
  return {
    ...{ tenantId: tenantId as TenantId, siteId, personId: personId as PersonId },
    lastSeenAt: new Date(lastSeenAt),
  };
};
const rowsSchema = z.array(
  z.object({ tenant_id: z.string(), site_id: z.string(), person_id: z.string(), last_seen_at: z.string() }),
);
const KEYS = ['acme/gate/1', 'acme/gate/2', 'acme/hall/1', 'beta/gate/1'];

/** What is written of these, in the order in which PostgreSQL locks the rows. */
async function written(seen: readonly SeenAtSite[]): Promise<readonly SeenAtSite[]> {
  let rows: readonly SeenAtSite[] = [];
  const execute = async (statement: SQL) => {
    const [parameter] = new PgDialect().sqlToQuery(statement).params;
    rows = rowsSchema
      .parse(JSON.parse(String(parameter)))
      .map(({ tenant_id, site_id, person_id, last_seen_at }) =>
        seenAt([tenant_id, site_id, person_id].join('/'), Date.parse(last_seen_at)),
      );
    return { rows: [] };
  };
  await noteSeenAtSites({ execute } as unknown as Transaction, seen, new Date(0));
  return rows;
}

describe('who was seen where', () => {
  it('is written in one order, whatever order the sightings came in, so that replicas never deadlock', async () => {
    const inOrder = KEYS.map((key, index) => seenAt(key, index));
    const orders = [inOrder, inOrder.toReversed(), [2, 0, 3, 1].map((index) => inOrder[index]!)];
    for (const seen of orders) expect(await written(seen)).toEqual(inOrder);
  });

  it('is written once for everybody at each site, with the last time', async () => {
    const seen = [seenAt('acme/gate/1', 1), seenAt('acme/gate/1', 3), seenAt('acme/gate/1', 2)];
    expect(await written(seen)).toEqual([seenAt('acme/gate/1', 3)]);
  });
});
