import type { Database } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import type { LocalDay } from './local-days.js';

/** A sighting that began longer before a day does not reach into it; trackers end far sooner. */
const LONGEST_SIGHTING = '1 day';

export interface PresenceFilter {
  readonly tenantId: TenantId;
  readonly site?: string | undefined;
  readonly group?: string | undefined;
  readonly personId?: PersonId | undefined;
  /** Also people who were not seen, of the group or the one person that is asked for. */
  readonly absent: boolean;
  readonly gapMinutes: number;
}

export interface PresenceQuestion extends PresenceFilter {
  readonly day: LocalDay;
  /** Only people behind this one. */
  readonly after: PersonId | undefined;
  readonly limit: number;
}

export interface Place {
  readonly siteId: string;
  readonly deviceId: string;
  readonly cameraId: string;
}

/** Sightings of somebody with no longer gap between them. */
export interface Stay {
  readonly fromMs: number;
  readonly toMs: number;
  readonly sightings: number;
  readonly firstAt: Place;
  readonly lastAt: Place;
}

/** Somebody's day; without stays they were not seen. */
export interface Presence {
  readonly personId: PersonId;
  /** Earliest first. */
  readonly stays: readonly Stay[];
}

interface StayRow extends Record<string, unknown> {
  readonly personId: PersonId;
  /** Null: not seen. */
  readonly stay: Stay | null;
}

/**
 * Who was seen on a day, in the order of their ids. A sighting is of whom its present decision identifies, unless
 * somebody has reviewed it: then of whom the latest review says it is, and of nobody where it says only who it is not.
 * People count who may be matched for attendance now.
 */
export async function readPresence({ db }: Database, question: PresenceQuestion): Promise<readonly Presence[]> {
  const { rows } = await db.execute<StayRow>(sql`
    WITH nearby AS MATERIALIZED (${nearbySightings(question)}),
      reviewed AS MATERIALIZED (${latestReviews(question)}),
      seen AS MATERIALIZED (${seenPeople(question)}),
      page AS MATERIALIZED (${pageOfPeople(question)}),
      stay AS (${stays(question)})
    SELECT page.person_id AS "personId", row_to_json(stay) AS stay
    FROM page LEFT JOIN stay USING (person_id) ORDER BY page.person_id, stay."fromMs"`);
  const people = new Map<PersonId, Stay[]>();
  for (const { personId, stay } of rows) {
    const own = people.get(personId) ?? [];
    people.set(personId, own);
    if (stay !== null) own.push(stay);
  }
  return [...people].map(([personId, own]) => ({ personId, stays: own }));
}

function nearbySightings({ tenantId, day, site, personId }: PresenceQuestion): SQL {
  const from = instant(day.from);
  // By the indexes of whom decisions and reviews name: somebody's month is few rows of many.
  const named = sql`id IN (
    SELECT sighting_id FROM cloud.identification WHERE tenant_id = ${tenantId} AND person_id = ${personId}
    UNION ALL
    SELECT sighting_id FROM cloud.identification_review WHERE tenant_id = ${tenantId} AND verdict <> 'not-this-person')`;
  return sql`
    SELECT id, revision, site_id, device_id, camera_id,
      greatest(first_seen_at, ${from}) AS first, least(last_seen_at, ${instant(day.to)}) AS last
    FROM cloud.sighting
    WHERE tenant_id = ${tenantId} AND first_seen_at < ${instant(day.to)}
      AND first_seen_at >= ${from} - ${LONGEST_SIGHTING}::interval AND (first_seen_at >= ${from} OR last_seen_at > ${from})
      ${site === undefined ? sql`` : sql`AND site_id = ${site}`} ${personId === undefined ? sql`` : sql`AND ${named}`}`;
}

function latestReviews({ tenantId }: PresenceQuestion): SQL {
  return sql`
    SELECT DISTINCT ON (sighting_id) sighting_id, verdict, cloud.present_person(tenant_id, person_id) AS person_id
    FROM cloud.identification_review
    WHERE tenant_id = ${tenantId} AND sighting_id IN (SELECT id FROM nearby)
    ORDER BY sighting_id, reviewed_at DESC, revision DESC`;
}

function seenPeople(question: PresenceQuestion): SQL {
  return sql`
    SELECT person.id AS person_id, nearby.*
    FROM nearby
    JOIN cloud.identification decision
      ON decision.tenant_id = ${question.tenantId} AND decision.sighting_id = nearby.id
        AND decision.revision = nearby.revision
    LEFT JOIN reviewed ON reviewed.sighting_id = nearby.id
    JOIN cloud.person ON person.tenant_id = ${question.tenantId} AND person.id = CASE
      WHEN reviewed.verdict <> 'not-this-person' THEN reviewed.person_id
      WHEN decision.outcome = 'identified' AND reviewed.person_id IS DISTINCT FROM decision.person_id
        THEN decision.person_id
    END
    WHERE ${counts(question)}`;
}

/** Of `person`: whether they belong into the report at all. */
function counts({ group, personId }: PresenceFilter): SQL {
  return sql`person.merged_into IS NULL AND 'attendance' = ANY (person.purposes)
    ${group === undefined ? sql`` : sql`AND person.groups @> ARRAY[${group}]`}
    ${personId === undefined ? sql`` : sql`AND person.id = ${personId}`}`;
}

function pageOfPeople(question: PresenceQuestion): SQL {
  const { tenantId, absent, after, limit, day, site } = question;
  // Nobody is missed before they were enrolled, nor where they are not needed.
  const expected = sql`
    UNION SELECT person.id FROM cloud.person
    WHERE person.tenant_id = ${tenantId} AND person.created_at < ${instant(day.to)} AND ${counts(question)}
      ${site === undefined ? sql`` : sql`AND (cardinality(person.sites) = 0 OR ${site} = ANY (person.sites))`}`;
  return sql`
    SELECT person_id FROM (SELECT person_id FROM seen ${absent ? expected : sql``}) AS everybody
    ${after === undefined ? sql`` : sql`WHERE person_id > ${after}::uuid`}
    GROUP BY person_id ORDER BY person_id LIMIT ${limit}`;
}

/** Gaps and islands: a stay begins where all before it ended more than the gap ago. */
function stays({ gapMinutes }: PresenceQuestion): SQL {
  const order = sql`PARTITION BY person_id ORDER BY first, last, id`;
  const place = sql`json_build_object('siteId', site_id, 'deviceId', device_id, 'cameraId', camera_id)`;
  return sql`
    SELECT person_id, extract(epoch FROM min(first))::float8 * 1000 AS "fromMs",
      extract(epoch FROM max(last))::float8 * 1000 AS "toMs", count(*)::int AS sightings,
      (array_agg(${place} ORDER BY first, id))[1] AS "firstAt",
      (array_agg(${place} ORDER BY last DESC, id DESC))[1] AS "lastAt"
    FROM (
      SELECT *, count(*) FILTER (WHERE ended IS NULL OR first > ended + make_interval(mins => ${gapMinutes}))
        OVER (${order}) AS number
      FROM (
        SELECT seen.*, max(last) OVER (${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
        FROM seen JOIN page USING (person_id)
      ) AS after_one_another
    ) AS numbered
    GROUP BY person_id, number`;
}

const instant = (time: Date): SQL => sql`${time.toISOString()}::timestamptz`;
