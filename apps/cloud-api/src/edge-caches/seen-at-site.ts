import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { distinctByKey } from '../ingest/stream-key.js';
import { inChunks } from '../storage/chunks.js';
import { personAtSite } from '../storage/edge-cache-schema.js';

export interface SeenAtSite {
  readonly tenantId: TenantId;
  readonly siteId: string;
  readonly personId: PersonId;
  readonly lastSeenAt: Date;
}

/**
 * Notes who was identified where. In the transaction that stores the decisions, which holds the people's rows. What is
 * known to the hour is not written again, since a person in view is decided about every few seconds.
 */
export async function noteSeenAtSites(tx: Transaction, seen: readonly SeenAtSite[]): Promise<void> {
  const newestFirst = [...seen].sort((a, b) => b.lastSeenAt.getTime() - a.lastSeenAt.getTime());
  const rows = distinctByKey(newestFirst, ({ tenantId, siteId, personId }) => `${tenantId}/${siteId}/${personId}`);
  await inChunks(rows, (chunk) =>
    tx
      .insert(personAtSite)
      .values(chunk)
      .onConflictDoUpdate({
        target: [personAtSite.tenantId, personAtSite.siteId, personAtSite.personId],
        set: { lastSeenAt: sql`excluded.last_seen_at` },
        setWhere: sql`${personAtSite.lastSeenAt} < excluded.last_seen_at - interval '1 hour'`,
      })
      .returning({ personId: personAtSite.personId }),
  );
}
