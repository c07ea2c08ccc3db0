import type { DeviceAddress } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import type { KeyId, PersonId, TenantId } from '@sightline/kernel';
import { and, eq, sql, type SQL } from 'drizzle-orm';

import { cameraPurposes } from '../consent/purposes.js';
import { edgeCache, edgeCachePerson } from '../storage/edge-cache-schema.js';

/** Best templates of a person that a box gets: more would not be told apart by anything. */
export const TEMPLATES_OF_PERSON = 32;

/** Whoever was identified at a site within this time is kept on its boxes, ms. */
const LATELY_MS = 30 * 86_400_000;

export interface PlannedCache extends DeviceAddress {
  readonly siteId: string;
  readonly modelSpace: string;
  readonly keyId: KeyId;
  /** Templates at most. */
  readonly capacity: number;
}

const lately = (now: Date): Date => new Date(now.getTime() - LATELY_MS);

/**
 * Whether template `t` could be in a cache: under any of the tenant's keys that live, as long as the box's own does. What
 * is under another one than the box's is taken to that on its way.
 */
export const isUnderLiveKey = (tenantId: SQL, cacheKeyId: SQL): SQL => sql`(
  t.key_id IN (SELECT key_id FROM cloud.template_key WHERE tenant_id = ${tenantId} AND retired_at IS NULL)
  AND ${cacheKeyId} IN (SELECT key_id FROM cloud.template_key WHERE tenant_id = ${tenantId} AND retired_at IS NULL))`;

/** Templates of `person` that a cache could take. */
const templateCount = sql`(
  SELECT least(count(*), ${TEMPLATES_OF_PERSON})::int FROM cloud.template t
  WHERE t.tenant_id = person.tenant_id AND t.person_id = person.id
    AND t.model_space = cache.model_space AND ${isUnderLiveKey(sql`cache.tenant_id`, sql`cache.key_id`)})`;

/** Whether the site of `device` needs `person`, or saw them lately, and cameras may identify them at all. */
const isNeeded = sql`(person.purposes && ${sql.param([...cameraPurposes])}::text[]
  AND (cardinality(person.sites) = 0 OR device.site_id = ANY (person.sites) OR seen.last_seen_at IS NOT NULL))`;

const joinSeen = (now: Date) => sql`
  LEFT JOIN cloud.person_at_site seen ON seen.tenant_id = person.tenant_id AND seen.site_id = device.site_id
    AND seen.person_id = person.id AND seen.last_seen_at > ${lately(now)}`;

/**
 * Plans a whole cache: whom the site needs and whom it saw lately, newest first (seen or enrolled), up to its capacity.
 * The cache's row is locked.
 *
 * @returns templates of those who are wanted
 */
export async function planWhole(tx: Transaction, cache: PlannedCache, now: Date): Promise<number> {
  const { tenantId, deviceId } = cache;
  const { rows } = await tx.execute<{ id: PersonId; templates: number }>(sql`
    SELECT id, templates FROM (
      SELECT id, templates, sum(templates) OVER (ORDER BY newest DESC, id DESC) AS taken FROM (
        SELECT person.id, greatest(person.created_at, seen.last_seen_at) AS newest, stored.templates
        FROM (
          SELECT person_id, least(count(*), ${TEMPLATES_OF_PERSON})::int AS templates FROM cloud.template t
          WHERE tenant_id = ${tenantId} AND model_space = ${cache.modelSpace}
            AND ${isUnderLiveKey(sql`${tenantId}`, sql`${cache.keyId}`)}
          GROUP BY person_id
        ) stored
        JOIN cloud.person person ON person.tenant_id = ${tenantId} AND person.id = stored.person_id
        JOIN cloud.device device ON device.tenant_id = person.tenant_id AND device.id = ${deviceId}
        ${joinSeen(now)}
        WHERE ${isNeeded}
      ) needed
    ) ranked WHERE taken <= ${cache.capacity}`);
  const present = await tx
    .select({ personId: edgeCachePerson.personId, wanted: edgeCachePerson.wanted, held: edgeCachePerson.held })
    .from(edgeCachePerson)
    .where(and(eq(edgeCachePerson.tenantId, tenantId), eq(edgeCachePerson.deviceId, deviceId)));
  const chosen = new Set(rows.map(({ id }) => id));
  const wanted = new Set(present.filter((row) => row.wanted).map(({ personId }) => personId));
  const leaving = present.filter((row) => row.wanted && !chosen.has(row.personId)).map(({ personId }) => personId);
  await want(
    tx,
    cache,
    rows.filter(({ id }) => !wanted.has(id)),
  );
  await unwant(tx, cache, leaving);
  return rows.reduce((sum, { templates }) => sum + templates, 0);
}

async function want(
  tx: Transaction,
  { tenantId, deviceId }: DeviceAddress,
  people: readonly { readonly id: PersonId; readonly templates: number }[],
): Promise<void> {
  if (people.length === 0) return;
  const [ids, counts] = [people.map(({ id }) => id), people.map(({ templates }) => templates)];
  // With a lock on the person: an erasure comes before, and they are not planned, or after, and finds the row.
  await tx.execute(sql`
    INSERT INTO cloud.edge_cache_person AS present (tenant_id, device_id, person_id, wanted, version, held, templates)
    SELECT person.tenant_id, ${deviceId}, person.id, true, NULL, false, new.templates
    FROM unnest(${sql.param(ids)}::uuid[], ${sql.param(counts)}::int[]) AS new (id, templates)
    JOIN cloud.person person ON person.tenant_id = ${tenantId} AND person.id = new.id
    ORDER BY person.id FOR KEY SHARE OF person
    ON CONFLICT (tenant_id, device_id, person_id)
    DO UPDATE SET wanted = true, version = NULL, templates = excluded.templates`);
}

/** Those whom the box may hold get a tombstone, the others are forgotten. */
async function unwant(tx: Transaction, { tenantId, deviceId }: DeviceAddress, ids: readonly PersonId[]): Promise<void> {
  if (ids.length === 0) return;
  const own = sql`tenant_id = ${tenantId} AND device_id = ${deviceId} AND person_id = ANY (${sql.param(ids)}::uuid[])`;
  await tx.execute(sql`DELETE FROM cloud.edge_cache_person WHERE ${own} AND NOT held`);
  await tx.execute(sql`UPDATE cloud.edge_cache_person SET wanted = false, version = NULL WHERE ${own}`);
}

/**
 * Plans changed people into every cache of their tenant at once. Where a cache may become too full a whole plan is due.
 * Locks first the people, as an erasure does, and then the caches.
 */
export async function planPeople(
  tx: Transaction,
  tenantId: TenantId,
  personIds: readonly PersonId[],
  now: Date,
): Promise<void> {
  const ids = sql`${sql.param(personIds)}::uuid[]`;
  await tx.execute(sql`SELECT FROM cloud.person WHERE tenant_id = ${tenantId} AND id = ANY (${ids})
    ORDER BY id FOR KEY SHARE`);
  await tx
    .select({ deviceId: edgeCache.deviceId })
    .from(edgeCache)
    .where(eq(edgeCache.tenantId, tenantId))
    .orderBy(edgeCache.deviceId)
    .for('update');
  await tx.execute(sql`
    WITH pair AS (
      SELECT device_id, person_id, templates, needed AND templates > 0 AS wanted FROM (
        SELECT cache.device_id, person.id AS person_id, ${isNeeded} AS needed, ${templateCount} AS templates
        FROM cloud.edge_cache cache
        JOIN cloud.device device ON device.tenant_id = cache.tenant_id AND device.id = cache.device_id
        JOIN cloud.person person ON person.tenant_id = cache.tenant_id AND person.id = ANY (${ids})
        ${joinSeen(now)}
        WHERE cache.tenant_id = ${tenantId} AND cache.maximum_templates > 0
      ) counted
    ), added AS (
      INSERT INTO cloud.edge_cache_person AS present (tenant_id, device_id, person_id, wanted, version, held, templates)
      SELECT ${tenantId}, device_id, person_id, true, NULL, false, templates FROM pair WHERE wanted
      ON CONFLICT (tenant_id, device_id, person_id)
      DO UPDATE SET wanted = true, version = NULL, templates = excluded.templates
      RETURNING device_id, templates
    ), forgotten AS (
      DELETE FROM cloud.edge_cache_person present USING pair
      WHERE present.tenant_id = ${tenantId} AND present.device_id = pair.device_id
        AND present.person_id = pair.person_id AND NOT pair.wanted AND NOT present.held
    ), leaving AS (
      UPDATE cloud.edge_cache_person present SET wanted = false, version = NULL FROM pair
      WHERE present.tenant_id = ${tenantId} AND present.device_id = pair.device_id
        AND present.person_id = pair.person_id AND NOT pair.wanted AND present.held AND present.wanted
    )
    UPDATE cloud.edge_cache cache SET
      planned_templates = cache.planned_templates + new.templates,
      planned_at = CASE
        WHEN cache.planned_templates + new.templates <= least(cache.maximum_templates, cache.full_at_templates)
        THEN cache.planned_at END
    FROM (SELECT device_id, sum(templates)::int AS templates FROM added GROUP BY device_id) new
    WHERE cache.tenant_id = ${tenantId} AND cache.device_id = new.device_id`);
}
