import type { Transaction } from '@sightline/database';
import { sql, type SQL } from 'drizzle-orm';

import { isOpen, seenInHour, touchedHours, type ChangedHours } from './roll-up-hours.js';

const NONE = sql`0::bit(96)`;
/** Of the 96 quarters of a day, those of a `touched` hour that a mask of four bits, the earliest the lowest, has. */
const quartersOf = (mask: SQL): SQL =>
  sql`reverse((${mask})::bit(4)::text)::bit(96) >> (4 * extract(hour FROM touched.hour AT TIME ZONE 'UTC')::int)`;
const day = sql`date_bin('1 day', touched.hour, 'epoch')`;

/**
 * Notes anew who was seen in hours. In a closed hour, whose sightings may be gone, nobody is taken out. Whoever is being
 * erased is waited for, and left out.
 */
export async function rollUpPeople(tx: Transaction, changed: ChangedHours): Promise<void> {
  const { tenantId } = changed;
  await tx.execute(sql`
    WITH ${touchedHours(changed)},
    cleared AS MATERIALIZED (
      SELECT ${day} AS day, site_id,
        bit_or(CASE WHEN ${isOpen(changed, sql`hour`)} THEN ${quartersOf(sql`15`)} ELSE ${NONE} END) AS quarters
      FROM touched, unnest(site_ids) AS site_id GROUP BY 1, 2),
    changes AS MATERIALIZED (
      SELECT day, site_id, person_id, coalesce(bit_or(has), ${NONE}) AS quarters, max(at) AS at
      FROM (
        SELECT ${day} AS day, seen.site_id, seen.person_id, NULL::tid AS at, NULL::bit(96) AS had,
          ${quartersOf(sql`seen.quarters`)} AS has
        FROM touched CROSS JOIN LATERAL (
          SELECT s.site_id, i.person_id,
            bit_or(1 << floor(extract(epoch FROM s.first_seen_at - touched.hour) / 900)::int) AS quarters
          FROM ${seenInHour(changed)} AND i.person_id IS NOT NULL GROUP BY 1, 2) AS seen
        UNION ALL
        SELECT cleared.day, cleared.site_id, old.person_id, old.at, old.quarters, old.quarters & ~cleared.quarters
        FROM cleared CROSS JOIN LATERAL (
          SELECT person_id, quarters, ctid AS at FROM cloud.analytics_person_day
          WHERE tenant_id = ${tenantId} AND day = cleared.day AND site_id = cleared.site_id OFFSET 0) AS old) AS either
      GROUP BY day, site_id, person_id HAVING bit_or(has) IS DISTINCT FROM bit_or(had)
      -- The order in which everybody locks people.
      ORDER BY person_id),
    locked AS MATERIALIZED (
      SELECT changes.* FROM changes CROSS JOIN LATERAL (
        SELECT FROM cloud.person WHERE tenant_id = ${tenantId} AND id = changes.person_id FOR KEY SHARE) AS person),
    nobody AS (
      DELETE FROM cloud.analytics_person_day
      WHERE ctid = ANY (ARRAY(SELECT at FROM locked WHERE quarters = ${NONE})))
    INSERT INTO cloud.analytics_person_day (tenant_id, day, site_id, person_id, quarters)
    SELECT ${tenantId}, day, site_id, person_id, quarters FROM locked WHERE quarters <> ${NONE}
    ON CONFLICT (tenant_id, day, site_id, person_id) DO UPDATE SET quarters = excluded.quarters`);
}
