import type { Transaction } from '@sightline/database';
import { sql, type SQL } from 'drizzle-orm';

import { seenInHours, touchedHours, type ChangedHours } from './roll-up-hours.js';

/** Of the 96 quarter hours of a day, the one that a time is in. */
const quarterOf = (time: SQL): SQL =>
  sql`(B'1' || repeat('0', 95)::bit(95))::bit(96) >> floor(extract(epoch FROM ${time} - date_bin('1 day', ${time}, 'epoch'))/ 900)::int`;

/** The four quarters of an hour. */
const quartersOfHour = (hour: SQL): SQL =>
  sql`(B'1111' || repeat('0', 92)::bit(92))::bit(96) >> (4 * extract(hour FROM ${hour} AT TIME ZONE 'UTC')::int)`;

/**
 * Notes anew who was seen in hours. In a closed hour, whose sightings may be gone, nobody is taken out. Whoever is being
 * erased is waited for, and left out.
 */
export async function rollUpPeople(tx: Transaction, changed: ChangedHours): Promise<void> {
  const { tenantId, closedBefore } = changed;
  await tx.execute(sql`
    WITH ${touchedHours(changed)},
    cleared AS MATERIALIZED (
      SELECT date_bin('1 day', hour, 'epoch') AS day, site_id, bit_or(${quartersOfHour(sql`hour`)}) AS quarters
      FROM touched, unnest(site_ids) AS site_id
      WHERE hour >= coalesce(${closedBefore}::timestamptz, '-infinity') GROUP BY 1, 2),
    counted AS MATERIALIZED (
      SELECT date_bin('1 day', touched.hour, 'epoch') AS day, s.site_id, i.person_id,
        bit_or(${quarterOf(sql`s.first_seen_at`)}) AS quarters
      FROM ${seenInHours(changed)}
      WHERE i.person_id IS NOT NULL GROUP BY 1, 2, 3),
    known AS MATERIALIZED (
      SELECT id FROM cloud.person
      WHERE tenant_id = ${tenantId} AND id IN (SELECT person_id FROM counted)
      ORDER BY id FOR KEY SHARE),
    gone AS (
      UPDATE cloud.analytics_person_day old SET quarters = old.quarters & ~cleared.quarters
      FROM cleared
      WHERE old.tenant_id = ${tenantId} AND old.day = cleared.day AND old.site_id = cleared.site_id
        AND (old.quarters & cleared.quarters) <> 0::bit(96)
        AND NOT EXISTS (SELECT FROM counted JOIN known ON known.id = counted.person_id
          WHERE counted.day = old.day AND counted.site_id = old.site_id AND counted.person_id = old.person_id))
    INSERT INTO cloud.analytics_person_day (tenant_id, day, site_id, person_id, quarters)
    SELECT ${tenantId}, counted.day, counted.site_id, counted.person_id, merged.quarters
    FROM counted JOIN known ON known.id = counted.person_id
      LEFT JOIN cleared USING (day, site_id)
      LEFT JOIN cloud.analytics_person_day old
        ON old.tenant_id = ${tenantId} AND old.day = counted.day AND old.site_id = counted.site_id
          AND old.person_id = counted.person_id
      CROSS JOIN LATERAL (
        SELECT counted.quarters | (coalesce(old.quarters, 0::bit(96)) & ~coalesce(cleared.quarters, 0::bit(96)))) AS merged (quarters)
    WHERE old.quarters IS DISTINCT FROM merged.quarters
    ON CONFLICT (tenant_id, day, site_id, person_id) DO UPDATE SET quarters = excluded.quarters`);
  await tx.execute(sql`
    WITH ${touchedHours(changed)}
    DELETE FROM cloud.analytics_person_day
    WHERE tenant_id = ${tenantId} AND quarters = 0::bit(96)
      AND day IN (SELECT date_bin('1 day', hour, 'epoch') FROM touched)`);
}
