import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { unnest } from '../storage/unnest.js';
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

/** Different people of a time, at each site and over all of them. */
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
  const { rows } = await db.execute<{ siteId: string | null; people: number }>(sql`
    WITH RECURSIVE ${merged(tenantId)}, ${partTable(dayParts(buckets))},
    seen AS (SELECT DISTINCT seen.site_id, seen.person_id FROM ${seenIn(tenantId, siteId)}),
    person AS (
      SELECT site_id, coalesce(same.stays, seen.person_id) AS id FROM seen LEFT JOIN same ON same.id = seen.person_id)
    SELECT site_id AS "siteId", count(DISTINCT id)::int AS people FROM person GROUP BY GROUPING SETS ((site_id), ())
    ORDER BY site_id`);
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
