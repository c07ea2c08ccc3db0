import type { Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { aloneIn, blockOf, NOBODY } from './people-bits.js';
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
      WHERE ctid = ANY (ARRAY(SELECT at FROM locked WHERE quarters = ${NONE}))),
    kept AS (
      INSERT INTO cloud.analytics_person_day (tenant_id, day, site_id, person_id, quarters)
      SELECT ${tenantId}, day, site_id, person_id, quarters FROM locked WHERE quarters <> ${NONE}
      ON CONFLICT (tenant_id, day, site_id, person_id) DO UPDATE SET quarters = excluded.quarters),
    ${numbersOf(tenantId)}
    ${changeSets(tenantId)}`);
}

/** `number`: those of the people in `locked`, who get one if they have none. The tenant's row of state is held. */
const numbersOf = (tenantId: TenantId): SQL => sql`
  newcomer AS MATERIALIZED (
    SELECT person_id, row_number() OVER (ORDER BY person_id)::int AS place
    FROM (SELECT DISTINCT person_id FROM locked) AS person
    WHERE NOT EXISTS (
      SELECT FROM cloud.analytics_person WHERE tenant_id = ${tenantId} AND person_id = person.person_id)),
  counter AS (
    UPDATE cloud.analytics_state SET people_numbered = people_numbered + (SELECT count(*) FROM newcomer)
    WHERE tenant_id = ${tenantId} AND EXISTS (SELECT FROM newcomer) RETURNING people_numbered),
  numbered AS (
    INSERT INTO cloud.analytics_person (tenant_id, person_id, number)
    SELECT ${tenantId}, person_id, people_numbered - place FROM newcomer, counter RETURNING person_id, number),
  number AS (
    SELECT person_id, number FROM numbered
    UNION ALL
    SELECT person_id, number FROM cloud.analytics_person
    WHERE tenant_id = ${tenantId} AND person_id IN (SELECT person_id FROM locked))`;

/**
 * Puts the people in `locked` into the sets of their days and sites, or takes them out. Only their bits: of everybody
 * else an erasure may be under way.
 */
const changeSets = (tenantId: TenantId): SQL => sql`
  , change AS MATERIALIZED (
    SELECT day, site_id, ${blockOf(sql`number`)} AS block,
      coalesce(bit_or(${aloneIn(sql`number`)}) FILTER (WHERE quarters <> ${NONE}), ${NOBODY}) AS come,
      coalesce(bit_or(${aloneIn(sql`number`)}) FILTER (WHERE quarters = ${NONE}), ${NOBODY}) AS gone
    FROM locked JOIN number USING (person_id) GROUP BY 1, 2, 3),
  set_before AS MATERIALIZED (
    SELECT before.day, before.site_id, before.block, before.people
    FROM cloud.analytics_people_day AS before JOIN change USING (day, site_id, block)
    WHERE before.tenant_id = ${tenantId} ORDER BY day, site_id FOR UPDATE OF before)
  INSERT INTO cloud.analytics_people_day (tenant_id, day, site_id, block, people)
  SELECT ${tenantId}, day, site_id, block, (coalesce(people, ${NOBODY}) & ~gone) | come
  FROM change LEFT JOIN set_before USING (day, site_id, block)
  ON CONFLICT (tenant_id, day, site_id, block) DO UPDATE SET people = excluded.people`;
