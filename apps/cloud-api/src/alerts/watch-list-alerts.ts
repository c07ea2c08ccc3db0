import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { inChunks, type Transaction } from '@sightline/database';
import type { DeviceId, PersonId, SightingId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { ambiguousBetween } from '../identification/decision-record.js';
import type { AnsweredDecision, ChangedSighting } from '../ingest/sighting-store.js';
import { alert } from '../storage/alert-schema.js';
import { unnest } from '../storage/unnest.js';
import { tellDelivery } from './raise-alert.js';
import {
  alertsAmong,
  defaultAlertPolicy,
  isLate,
  isTooOld,
  type Hit,
  type KnownAlert,
  type Seen,
} from './watch-list-rules.js';

/** A sighting as it is now, with the decision about its current revision. */
export interface DecidedSighting extends ChangedSighting {
  readonly decision: AnsweredDecision;
}

interface StoredAlert extends KnownAlert {
  readonly id: string;
}

interface FoundHit extends Hit {
  readonly deviceId: DeviceId;
  readonly revision: number;
  readonly score: number | null;
}

/**
 * Raises alerts of people on watch-lists, and takes back those that a revision refutes, in the transaction that stores the
 * sightings. Where nobody in it is in a group and no sighting is revised, it asks the database nothing; where its tenants
 * have no watch-list, one index.
 */
export async function followWatchLists(
  tx: Transaction,
  sightings: readonly DecidedSighting[],
  now: Date,
): Promise<void> {
  const concerned = sightings.filter(({ revision, decision }) => revision > 1 || isInGroup(decision));
  if (concerned.length === 0) return;
  const lists = await watchListsOf(tx, [...new Set(concerned.map(({ tenantId }) => tenantId))]);
  const followed = concerned.filter(({ tenantId }) => lists.has(tenantId));
  if (followed.length === 0) return;
  const known = await alertsOf(tx, followed);
  const refuted = refutedBy(followed, known);
  await retract(tx, refuted, { retraction: 'revised', now });
  const standing = known.map((one): KnownAlert => (refuted.includes(one) ? { ...one, retraction: 'revised' } : one));
  await raiseHits(tx, await hitsOf(tx, followed, lists), { known: standing, now });
}

/** Takes back the alerts of a sighting that name somebody whom a review has excluded. */
export async function retractReviewed(
  tx: Transaction,
  { tenantId, sightingId }: { readonly tenantId: TenantId; readonly sightingId: SightingId },
  { notPersonIds, now }: { readonly notPersonIds: readonly PersonId[]; readonly now: Date },
): Promise<void> {
  if (notPersonIds.length === 0) return;
  const known = await alertsOf(tx, [{ tenantId, id: sightingId }]);
  const excluded = known.filter(({ retraction, personId }) => retraction === null && includes(notPersonIds, personId));
  await retract(tx, excluded, { retraction: 'reviewed', now });
}

const includes = (ids: readonly PersonId[], id: PersonId | null): boolean => id !== null && ids.includes(id);
const isInGroup = ({ outcome, groups }: AnsweredDecision): boolean => outcome === 'identified' && groups.length > 0;

async function watchListsOf(
  tx: Transaction,
  tenants: readonly TenantId[],
): Promise<ReadonlyMap<TenantId, ReadonlySet<string>>> {
  const { rows } = await tx.execute<{ tenantId: TenantId; slugs: string[] }>(sql`
    SELECT tenant_id AS "tenantId", array_agg(slug) AS slugs FROM cloud.person_group
    WHERE kind = 'watch-list' AND tenant_id = ANY (${sql.param(tenants)}::text[]) GROUP BY tenant_id`);
  return new Map(rows.map(({ tenantId, slugs }) => [tenantId, new Set(slugs)]));
}

async function alertsOf(
  tx: Transaction,
  sightings: readonly Pick<ChangedSighting, 'tenantId' | 'id'>[],
): Promise<readonly StoredAlert[]> {
  const asked = unnest([
    ['text', sightings.map(({ tenantId }) => tenantId)],
    ['uuid', sightings.map(({ id }) => id)],
  ]);
  const { rows } = await tx.execute<StoredAlert & Record<string, unknown>>(sql`
    SELECT tenant_id AS "tenantId", id, sighting_id AS "sightingId", watch_list AS "watchList",
      person_id AS "personId", retraction
    FROM ${asked} AS asked (tenant_id, sighting_id) JOIN cloud.alert USING (tenant_id, sighting_id)`);
  return rows;
}

/** Alerts whose sighting is now somebody else's, or nobody's. A revision that was refused says nothing about it. */
function refutedBy(sightings: readonly DecidedSighting[], known: readonly StoredAlert[]): readonly StoredAlert[] {
  return known.filter((one) => {
    const state = sightings.find(({ tenantId, id }) => tenantId === one.tenantId && id === one.sightingId);
    if (one.retraction !== null || one.personId === null || state === undefined) return false;
    const { decision } = state;
    if (decision.outcome === 'refused') return false;
    const named = decision.personId === null ? ambiguousBetween(decision) : [decision.personId];
    return !named.includes(one.personId);
  });
}

async function retract(
  tx: Transaction,
  alerts: readonly StoredAlert[],
  { retraction, now }: { readonly retraction: 'revised' | 'reviewed'; readonly now: Date },
): Promise<void> {
  if (alerts.length === 0) return;
  const which = unnest([
    ['text', alerts.map(({ tenantId }) => tenantId)],
    ['uuid', alerts.map(({ id }) => id)],
  ]);
  await tx.execute(sql`
    UPDATE cloud.alert SET retracted_at = ${now}, retraction = ${retraction}
    FROM ${which} AS which (tenant_id, id)
    WHERE alert.tenant_id = which.tenant_id AND alert.id = which.id AND alert.retracted_at IS NULL`);
  await tellDelivery(tx);
}

/** Who of the sightings is on a watch-list now, and may be matched for it. */
async function hitsOf(
  tx: Transaction,
  sightings: readonly DecidedSighting[],
  lists: ReadonlyMap<TenantId, ReadonlySet<string>>,
): Promise<readonly FoundHit[]> {
  const listed = sightings.flatMap(({ tenantId, id, revision, decision }) =>
    decision.groups
      .filter((group) => isInGroup(decision) && lists.get(tenantId)?.has(group))
      .map((watchList) => ({ tenantId, id, revision, watchList, decision })),
  );
  if (listed.length === 0) return [];
  const columns = unnest([
    ['text', listed.map(({ tenantId }) => tenantId)],
    ['uuid', listed.map(({ id }) => id)],
    ['integer', listed.map(({ revision }) => revision)],
    ['text', listed.map(({ watchList }) => watchList)],
    ['uuid', listed.map(({ decision }) => decision.personId)],
    ['double precision', listed.map(({ decision }) => decision.score)],
  ]);
  type Row = Omit<FoundHit, 'policy'> & { policy: rest.AlertPolicy | null } & Record<string, unknown>;
  const { rows } = await tx.execute<Row>(sql`
    SELECT hit.tenant_id AS "tenantId", hit.sighting_id AS "sightingId", hit.revision, hit.watch_list AS "watchList",
      hit.person_id AS "personId", hit.score, seen.site_id AS "siteId", seen.device_id AS "deviceId",
      seen.camera_id AS "cameraId", seen.last_seen_at AS "occurredAt",
      CASE WHEN policy.tenant_id IS NOT NULL THEN json_build_object(
        'cooldownSeconds', policy.cooldown_seconds, 'cooldownPlace', policy.cooldown_place,
        'lateAfterSeconds', policy.late_after_seconds, 'maximumAgeSeconds', policy.maximum_age_seconds) END AS policy
    FROM ${columns} AS hit (tenant_id, sighting_id, revision, watch_list, person_id, score)
      JOIN cloud.sighting seen ON seen.tenant_id = hit.tenant_id AND seen.id = hit.sighting_id
      JOIN cloud.person person ON person.tenant_id = hit.tenant_id AND person.id = hit.person_id
        AND 'watch-list' = ANY (person.purposes)
      LEFT JOIN cloud.alert_policy policy ON policy.tenant_id = hit.tenant_id`);
  return rows.map((row) => ({
    ...row,
    occurredAt: new Date(row.occurredAt),
    policy: row.policy ?? defaultAlertPolicy,
  }));
}

async function raiseHits(
  tx: Transaction,
  hits: readonly FoundHit[],
  { known, now }: { readonly known: readonly KnownAlert[]; readonly now: Date },
): Promise<void> {
  const young = hits.filter((hit) => !isTooOld(hit, now));
  if (young.length === 0) return;
  const recent = await recentAlerts(tx, young);
  const rows = alertsAmong(young, { known, recent }).map((hit) => {
    const { tenantId, watchList, personId, sightingId, revision, score, occurredAt } = hit;
    const { siteId, deviceId, cameraId } = hit;
    return {
      ...{ tenantId, id: randomUUID(), kind: 'watch-list' as const, raisedAt: now, occurredAt, late: isLate(hit, now) },
      ...{ dedupeKey: `watch-list/${sightingId}/${watchList}`, watchList, personId, sightingId, revision, score },
      ...{ siteId, deviceId, cameraId },
    };
  });
  await inChunks(rows, (chunk) => tx.insert(alert).values(chunk).onConflictDoNothing().returning({ id: alert.id }));
  if (rows.length > 0) await tellDelivery(tx);
}

/**
 * The alerts by which the cooldown of these people goes. Until the transaction ends nobody else raises one of them, so
 * that two boxes which see somebody at the same time make one alert of a site.
 */
async function recentAlerts(tx: Transaction, hits: readonly Hit[]): Promise<readonly Seen[]> {
  const people = [...new Set(hits.map(({ tenantId, personId }) => `${tenantId}/${personId}`))].sort();
  // In one order, and as the last locks of the transaction: nobody waits in a circle.
  await tx.execute(sql`
    SELECT pg_advisory_xact_lock(hashtextextended('cloud.alert/' || name, 0))
    FROM unnest(${sql.param(people)}::text[]) WITH ORDINALITY AS person (name, place) ORDER BY place`);
  const columns = unnest([
    ['text', hits.map(({ tenantId }) => tenantId)],
    ['uuid', hits.map(({ personId }) => personId)],
    ['timestamptz', hits.map(({ occurredAt }) => occurredAt.toISOString())],
    ['integer', hits.map(({ policy }) => policy.cooldownSeconds)],
  ]);
  const { rows } = await tx.execute<Seen & Record<string, unknown>>(sql`
    SELECT DISTINCT alert.tenant_id AS "tenantId", alert.watch_list AS "watchList", alert.person_id AS "personId",
      alert.site_id AS "siteId", alert.device_id AS "deviceId", alert.camera_id AS "cameraId",
      alert.occurred_at AS "occurredAt"
    FROM ${columns} AS hit (tenant_id, person_id, occurred_at, seconds) JOIN cloud.alert
      ON alert.tenant_id = hit.tenant_id AND alert.person_id = hit.person_id AND alert.retracted_at IS NULL
      AND alert.occurred_at > hit.occurred_at - make_interval(secs => hit.seconds)
      AND alert.occurred_at < hit.occurred_at + make_interval(secs => hit.seconds)`);
  return rows.map((row) => ({ ...row, occurredAt: new Date(row.occurredAt) }));
}
