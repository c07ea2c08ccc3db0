import type { rest } from '@sightline/contracts';
import type { Database, Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

/** Members of one set at most: the sightings that were reviewed last. */
export const MOST_MEMBERS = 10_000;

type Reader = Transaction | Database['db'];
type LabelledSetCounts = rest.LabelledSet['members'];

/** Which set. */
export interface SetKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

/**
 * Of people who were merged, the one who stays: labels stay with whom they were given to, so that an undone merge gives
 * them back by itself.
 */
export const personWhoStays = (tenantId: TenantId, personId: SQL): SQL => sql`(
  WITH RECURSIVE same AS (
    SELECT id, merged_into FROM cloud.person WHERE tenant_id = ${tenantId} AND id = ${personId}
    UNION ALL
    SELECT stays.id, stays.merged_into FROM cloud.person stays JOIN same ON stays.id = same.merged_into
    WHERE stays.tenant_id = ${tenantId})
  SELECT id FROM same WHERE merged_into IS NULL)`;

/**
 * Takes in the reviewed sightings of some sites and of a time: of each the last verdict about a person.
 *
 * @returns how many there are
 */
export async function takeMembers(
  tx: Transaction,
  { tenantId, id }: SetKey,
  { sites, from, until }: { readonly sites: readonly string[]; readonly from: Date; readonly until: Date },
): Promise<number> {
  const { rowCount } = await tx.execute(sql`
    INSERT INTO cloud.labelled_set_member (tenant_id, set_id, sighting_id, revision, label, person_id)
    SELECT tenant_id, ${id}::uuid, sighting_id, revision,
      CASE verdict WHEN 'not-this-person' THEN 'not-person' ELSE 'is-person' END, person_id
    FROM (
      SELECT DISTINCT ON (review.sighting_id) review.* FROM cloud.identification_review review
      JOIN cloud.sighting sighting ON sighting.tenant_id = review.tenant_id AND sighting.id = review.sighting_id
      WHERE review.tenant_id = ${tenantId} AND sighting.site_id = ANY (${sql.param([...sites])}::text[])
        AND sighting.first_seen_at >= ${from} AND sighting.first_seen_at < ${until}
      ORDER BY review.sighting_id, review.reviewed_at DESC, review.revision DESC) AS last
    WHERE person_id IS NOT NULL
    ORDER BY reviewed_at DESC LIMIT ${MOST_MEMBERS}`);
  return rowCount ?? 0;
}

/** What a set still holds. */
export async function countMembers(
  db: Reader,
  { tenantId, id, members, erased }: SetKey & { readonly members: number; readonly erased: number },
): Promise<LabelledSetCounts> {
  const { rows } = await db.execute<
    Pick<LabelledSetCounts, 'now' | 'isPerson' | 'notPerson' | 'withProbe' | 'people'>
  >(sql`
    SELECT count(*)::int AS now, count(*) FILTER (WHERE label = 'is-person')::int AS "isPerson",
      count(*) FILTER (WHERE label = 'not-person')::int AS "notPerson",
      count(probe.sighting_id)::int AS "withProbe",
      count(DISTINCT ${personWhoStays(tenantId, sql`member.person_id`)})::int AS people
    FROM cloud.labelled_set_member member LEFT JOIN cloud.kept_probe probe
      ON probe.tenant_id = member.tenant_id AND probe.sighting_id = member.sighting_id
    WHERE member.tenant_id = ${tenantId} AND member.set_id = ${id}`);
  const counts = rows[0] ?? { now: 0, isPerson: 0, notPerson: 0, withProbe: 0, people: 0 };
  return { atFirst: members, erased, expired: Math.max(0, members - erased - counts.now), ...counts };
}

/** The members after one of them, some at a time, by sighting. */
export async function readMembers(
  { db }: Database,
  { tenantId, id }: SetKey,
  after: string | undefined,
  limit: number,
): Promise<readonly rest.LabelledMember[]> {
  const { rows } = await db.execute<Omit<rest.LabelledMember, 'firstSeenAt'> & { readonly firstSeenMs: number }>(sql`
    SELECT member.sighting_id AS "sightingId", member.revision, site_id AS "siteId", device_id AS "deviceId",
      camera_id AS "cameraId", (extract(epoch FROM first_seen_at) * 1000)::float8 AS "firstSeenMs",
      sighting.quality, outcome, label, ${personWhoStays(tenantId, sql`member.person_id`)} AS "personId",
      probe.sighting_id IS NOT NULL AS "hasProbe"
    FROM cloud.labelled_set_member member
    JOIN cloud.sighting sighting ON sighting.tenant_id = member.tenant_id AND sighting.id = member.sighting_id
    JOIN cloud.identification decision ON decision.tenant_id = member.tenant_id
      AND decision.sighting_id = member.sighting_id AND decision.revision = member.revision
    LEFT JOIN cloud.kept_probe probe
      ON probe.tenant_id = member.tenant_id AND probe.sighting_id = member.sighting_id
    WHERE member.tenant_id = ${tenantId} AND member.set_id = ${id}
      AND member.sighting_id > ${after ?? '00000000-0000-0000-0000-000000000000'}::uuid
    ORDER BY member.sighting_id LIMIT ${limit}`);
  return rows.map(({ firstSeenMs, ...row }) => ({ ...row, firstSeenAt: new Date(firstSeenMs).toISOString() }));
}
