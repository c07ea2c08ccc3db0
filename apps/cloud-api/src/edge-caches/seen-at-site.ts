import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { and, eq, inArray, sql } from 'drizzle-orm';

import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { distinctByKey } from '../ingest/stream-key.js';
import { personAtSite } from '../storage/edge-cache-schema.js';
import { insertAsJson } from '../storage/json-rows.js';
import { person } from '../storage/schema.js';

export interface SeenAtSite {
  readonly tenantId: TenantId;
  readonly siteId: string;
  readonly personId: PersonId;
  readonly lastSeenAt: Date;
}

interface WrittenVisit {
  readonly personId: PersonId;
  readonly siteId: string;
  readonly isNew: boolean;
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
  if (rows.length === 0) return;
  // Of a row that was inserted, no transaction has taken an older version away.
  const { rows: written } = await tx.execute<Record<string, unknown> & WrittenVisit>(sql`
    ${insertAsJson(personAtSite, rows)}
    ON CONFLICT (tenant_id, site_id, person_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
    WHERE person_at_site.last_seen_at < excluded.last_seen_at - interval '1 hour'
    RETURNING person_id AS "personId", site_id AS "siteId", xmax = 0 AS "isNew"`);
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
