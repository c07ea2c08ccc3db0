import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { and, eq, inArray, sql } from 'drizzle-orm';

import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { distinctByKey } from '../ingest/stream-key.js';
import { inChunks } from '../storage/chunks.js';
import { personAtSite } from '../storage/edge-cache-schema.js';
import { person } from '../storage/schema.js';

export interface SeenAtSite {
  readonly tenantId: TenantId;
  readonly siteId: string;
  readonly personId: PersonId;
  readonly lastSeenAt: Date;
}

/**
 * Notes who was identified where. In the transaction that stores the decisions, which holds the people's rows. What is
 * known to the hour is not written again, since a person in view is decided about every few seconds. Somebody who is
 * new at a site that does not need them is a change for its boxes.
 */
export async function noteSeenAtSites(tx: Transaction, seen: readonly SeenAtSite[], now: Date): Promise<void> {
  const newestFirst = [...seen].sort((a, b) => b.lastSeenAt.getTime() - a.lastSeenAt.getTime());
  // In the order of their keys, as in every replica: no two wait for each other's rows.
  const rows = distinctByKey(newestFirst, ({ tenantId, siteId, personId }) => `${tenantId}/${siteId}/${personId}`);
  const written = await inChunks(rows, (chunk) =>
    tx
      .insert(personAtSite)
      .values(chunk)
      .onConflictDoUpdate({
        target: [personAtSite.tenantId, personAtSite.siteId, personAtSite.personId],
        set: { lastSeenAt: sql`excluded.last_seen_at` },
        setWhere: sql`${personAtSite.lastSeenAt} < excluded.last_seen_at - interval '1 hour'`,
      })
      // Of a row that was inserted, no transaction has taken an older version away.
      .returning({ personId: personAtSite.personId, siteId: personAtSite.siteId, isNew: sql<boolean>`xmax = 0` }),
  );
  const visits = written.filter(({ isNew }) => isNew);
  if (visits.length === 0) return;
  const ids = visits.map(({ personId }) => personId);
  const visitors = await tx
    .select({ tenantId: person.tenantId, personId: person.id })
    .from(person)
    .innerJoin(personAtSite, and(eq(personAtSite.tenantId, person.tenantId), eq(personAtSite.personId, person.id)))
    .where(
      and(
        inArray(person.id, ids),
        inArray(personAtSite.siteId, [...new Set(visits.map(({ siteId }) => siteId))]),
        sql`cardinality(${person.sites}) > 0 AND NOT ${personAtSite.siteId} = ANY (${person.sites})`,
      ),
    );
  const distinct = distinctByKey(visitors, ({ tenantId, personId }) => `${tenantId}/${personId}`);
  if (distinct.length === 0) return;
  await recordGalleryChanges(
    tx,
    distinct.map(({ tenantId, personId }) => ({ tenantId, kind: 'person' as const, personId })),
    now,
  );
}
