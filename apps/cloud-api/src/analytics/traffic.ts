import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { unnest } from '../storage/unnest.js';
import {
  dimensionColumns,
  isSeries,
  seriesKeyColumns,
  type Counts,
  type Dimension,
  type Reader,
  type SeriesFilter,
  type SeriesKey,
} from './series.js';
import { columnList, OUTCOMES, QUARTERS } from './hour-columns.js';
import type { TimeBuckets } from './time-buckets.js';

export interface TrafficCounts extends SeriesKey, Counts {
  /** Which of the buckets, from 0. */
  readonly bucket: number;
}

export interface TrafficQuestion extends SeriesFilter {
  readonly tenantId: TenantId;
  readonly buckets: TimeBuckets;
  readonly by?: Dimension | undefined;
  /** Rows behind this one. */
  readonly after?: { readonly bucket: number; readonly keys: readonly string[] } | undefined;
  readonly limit?: number | undefined;
}

/** Counts by time and what else is asked for apart, in that order. Where nobody was seen there is no row. */
export async function readTraffic({ db }: Reader, question: TrafficQuestion): Promise<readonly TrafficCounts[]> {
  const { tenantId, buckets, by, after, limit } = question;
  const keys = dimensionColumns(by === undefined ? [] : [by]);
  const order = ['bucket', ...keys];
  const isFiltered = keys.length > 0 || Object.values(seriesOf(question)).some((value) => value !== undefined);
  const series = sql`JOIN (SELECT id AS series_id, site_id, device_id, camera_id, release_digest, variant_digest
    FROM cloud.analytics_series WHERE ${isSeries(tenantId, question)}) AS series USING (series_id)`;
  const starts = sql`ARRAY(SELECT * FROM ${unnest([['timestamptz', buckets.starts.map((start) => start.toISOString())]])})`;
  const { rows } = await db.execute<Row>(sql`
    SELECT bucket - 1 AS bucket, ${seriesKeyColumns(keys)}, identified, ambiguous, unknown, refused,
      dwell_ms::float8 AS "dwellMs"
    FROM (
      SELECT ${columnList(order)}, ${sums}
      FROM (
        SELECT width_bucket(slot, (SELECT ${starts})) AS bucket, series_id, ${sums}
        FROM ${slots(tenantId, buckets)} GROUP BY 1, 2) AS slot ${isFiltered ? series : sql``}
      GROUP BY ${columnList(order)}) AS counted
    ${after === undefined ? sql`` : sql`WHERE (${columnList(order)}) > (${list([sql`${after.bucket + 1}::int`, ...after.keys.map((key) => sql`${key}`)])})`}
    ORDER BY ${columnList(order)} ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`);
  return rows;
}

type Row = TrafficCounts & Record<string, unknown>;

const list = (parts: readonly SQL[]): SQL => sql.join([...parts], sql`, `);
// Of an int each, and bigint alone where it must be: what comes as text otherwise.
const sums = list([
  ...OUTCOMES.map((outcome) => sql.raw(`sum(${outcome})::int AS ${outcome}`)),
  sql`sum(dwell_ms)::bigint AS dwell_ms`,
]);

const seriesOf = ({ siteId, deviceId, cameraId, releaseDigest, variantDigest }: SeriesFilter): SeriesFilter => ({
  ...{ siteId, deviceId, cameraId, releaseDigest, variantDigest },
});

/** Hours of a tenant as `(slot, series_id, …counts)`; their quarters where a border is at another minute. */
function slots(tenantId: TenantId, { from, to, wholeHours }: TimeBuckets): SQL {
  const inRange = sql`tenant_id = ${tenantId} AND hour < ${to}::timestamptz`;
  if (wholeHours) {
    return sql`(SELECT hour AS slot, series_id, ${columnList(OUTCOMES)}, dwell_ms FROM cloud.analytics_hour
      WHERE ${inRange} AND hour >= ${from}::timestamptz) AS slots`;
  }
  const four = sql.raw(String(OUTCOMES.length));
  const ofQuarter = OUTCOMES.map((outcome, index) =>
    sql.raw(`quarter_counts[quarter * ${OUTCOMES.length} + ${index + 1}] AS ${outcome}`),
  );
  return sql`(
    SELECT hour + quarter * interval '15 minutes' AS slot, series_id, ${list(ofQuarter)},
      quarter_dwell_ms[quarter + 1] AS dwell_ms
    FROM cloud.analytics_hour CROSS JOIN generate_series(0, ${sql.raw(String(QUARTERS - 1))}) AS quarter
    WHERE ${inRange} AND hour > ${from}::timestamptz - interval '1 hour'
      AND hour + quarter * interval '15 minutes' >= ${from}::timestamptz
      AND hour + quarter * interval '15 minutes' < ${to}::timestamptz
      AND 0 < ANY (quarter_counts[quarter * ${four} + 1 : quarter * ${four} + ${four}])) AS slots`;
}
