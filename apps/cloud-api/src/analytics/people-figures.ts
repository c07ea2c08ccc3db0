import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { unnest } from '../storage/unnest.js';
import { aloneIn, blockOf, has } from './people-bits.js';
import type { Reader } from './series.js';
import type { TimeBuckets } from './time-buckets.js';

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
const QUARTERS_OF_DAY = 96;

/** A part of a bucket within one day (UTC): the quarters of it as 96 bits, as text. */
interface DayPart {
  readonly bucket: number;
  readonly day: Date;
  readonly quarters: string;
}

/** Cuts buckets at the borders of days (UTC), by which people are kept. */
export function dayParts({ starts, to }: Pick<TimeBuckets, 'starts' | 'to'>): readonly DayPart[] {
  return starts.flatMap((start, bucket) => {
    const end = (starts[bucket + 1] ?? to).getTime();
    const parts: DayPart[] = [];
    for (let day = Math.floor(start.getTime() / DAY_MS) * DAY_MS; day < end; day += DAY_MS) {
      const first = Math.max(0, Math.floor((start.getTime() - day) / QUARTER_MS));
      const last = Math.min(QUARTERS_OF_DAY, Math.ceil((end - day) / QUARTER_MS));
      const quarters = '0'.repeat(first) + '1'.repeat(last - first) + '0'.repeat(QUARTERS_OF_DAY - last);
      parts.push({ bucket, day: new Date(day), quarters });
    }
    return parts;
  });
}

/** Whoever turned out to be another person is that person, directly or through others. */
const merged = (tenantId: TenantId): SQL => sql`
  merged AS (
    SELECT id, merged_into AS stays FROM cloud.person WHERE tenant_id = ${tenantId} AND merged_into IS NOT NULL
    UNION
    SELECT merged.id, next.merged_into FROM merged JOIN cloud.person next ON next.id = merged.stays
    WHERE next.tenant_id = ${tenantId} AND next.merged_into IS NOT NULL),
  same AS (SELECT id, stays FROM merged WHERE NOT EXISTS (SELECT FROM merged further WHERE further.id = merged.stays))`;

const partTable = (parts: readonly DayPart[]): SQL => sql`
  part AS MATERIALIZED (
    SELECT bucket, day, quarters::bit(96) FROM ${unnest([
      ['integer', parts.map(({ bucket }) => bucket)],
      ['timestamptz', parts.map(({ day }) => day.toISOString())],
      ['text', parts.map(({ quarters }) => quarters)],
    ])} AS part (bucket, day, quarters))`;

/** Who was seen in each `part`. `OFFSET 0`: a day is read from the index, and once for all of its parts. */
const seenIn = (tenantId: TenantId, siteId: string | undefined): SQL => sql`
  (SELECT DISTINCT day FROM part) AS wanted CROSS JOIN LATERAL (
    SELECT day, site_id, person_id, quarters FROM cloud.analytics_person_day
    WHERE tenant_id = ${tenantId} AND day = wanted.day ${siteId === undefined ? sql`` : sql`AND site_id = ${siteId}`}
    OFFSET 0) AS seen
  JOIN part ON part.day = seen.day AND (seen.quarters & part.quarters) <> 0::bit(96)`;

const isWhole = ({ quarters }: DayPart): boolean => !quarters.includes('0');

/**
 * Different people of a time, at each site and over all of them: whole days from the sets of people, the rest from who
 * was seen in which quarters.
 */
export async function readUniquePeople(
  { db }: Reader,
  {
    tenantId,
    siteId,
    buckets,
  }: { readonly tenantId: TenantId; readonly siteId?: string | undefined; readonly buckets: TimeBuckets },
): Promise<{
  readonly people: number;
  readonly sites: readonly { readonly siteId: string; readonly people: number }[];
}> {
  const parts = dayParts(buckets);
  const days = parts.filter(isWhole).map(({ day }) => day.toISOString());
  const { rows } = await db.execute<{ siteId: string | null; people: number }>(sql`
    WITH RECURSIVE ${merged(tenantId)}, ${partTable(parts.filter((part) => !isWhole(part)))},
    number AS (SELECT person_id, number FROM cloud.analytics_person WHERE tenant_id = ${tenantId}),
    at_site AS MATERIALIZED (
      SELECT site_id, block, bit_or(people) AS people
      FROM (
        SELECT site_id, block, people FROM cloud.analytics_people_day
        WHERE tenant_id = ${tenantId} AND day IN (SELECT * FROM ${unnest([['timestamptz', days]])})
          ${siteId === undefined ? sql`` : sql`AND site_id = ${siteId}`}
        UNION ALL
        SELECT seen.site_id, ${blockOf(sql`number`)}, ${aloneIn(sql`number`)}
        FROM ${seenIn(tenantId, siteId)} JOIN number USING (person_id)) AS seen
      GROUP BY 1, 2),
    seen AS MATERIALIZED (
      SELECT site_id, block, people FROM at_site
      UNION ALL
      SELECT NULL, block, bit_or(people) FROM at_site GROUP BY block),
    -- Who was merged counts as the one who stays, unless that one was seen too.
    moved AS (
      SELECT seen.site_id, count(*) AS gone,
        count(DISTINCT same.stays) FILTER (WHERE NOT coalesce(${has(sql`home.people`, sql`stays.number`)}, false)) AS come
      FROM same JOIN number AS gone ON gone.person_id = same.id
        JOIN seen ON seen.block = ${blockOf(sql`gone.number`)} AND ${has(sql`seen.people`, sql`gone.number`)}
        LEFT JOIN number AS stays ON stays.person_id = same.stays
        LEFT JOIN seen AS home
          ON home.site_id IS NOT DISTINCT FROM seen.site_id AND home.block = ${blockOf(sql`stays.number`)}
      GROUP BY seen.site_id)
    SELECT counted.site_id AS "siteId", (people - coalesce(gone, 0) + coalesce(come, 0))::int AS people
    FROM (SELECT site_id, sum(bit_count(people)) AS people FROM seen GROUP BY site_id) AS counted
      LEFT JOIN moved ON moved.site_id IS NOT DISTINCT FROM counted.site_id
    WHERE people > 0 ORDER BY counted.site_id`);
  return {
    people: rows.find((row) => row.siteId === null)?.people ?? 0,
    sites: rows.flatMap((row) => (row.siteId === null ? [] : [{ siteId: row.siteId, people: row.people }])),
  };
}

/** Different people at a site in each bucket; those without anybody are left out. */
export async function readPeopleByTime(
  { db }: Reader,
  {
    tenantId,
    siteId,
    buckets,
  }: { readonly tenantId: TenantId; readonly siteId: string; readonly buckets: TimeBuckets },
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.execute<{ bucket: number; people: number }>(sql`
    WITH RECURSIVE ${merged(tenantId)}, ${partTable(dayParts(buckets))}
    SELECT bucket, count(DISTINCT coalesce(same.stays, seen.person_id))::int AS people
    FROM ${seenIn(tenantId, siteId)}
      LEFT JOIN same ON same.id = seen.person_id
    GROUP BY bucket`);
  return new Map(rows.map(({ bucket, people }) => [bucket, people]));
}
