import type { TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { columnList, sharedColumns, sharedSums } from './hour-columns.js';
import {
  dimensionColumns,
  dimensions,
  isSeries,
  seriesColumns,
  seriesKeyColumns,
  type Counts,
  type Dimension,
  type Reader,
  type SeriesFilter,
  type SeriesKey,
} from './series.js';

/** Counts of sightings by outcome, how long they lasted, and histograms with the bins of `bins.ts`. */
export interface Distribution extends SeriesKey, Counts {
  /** Scores of those who were identified (`SCORE_BINS`). */
  readonly identifiedScores: readonly number[];
  /** Scores of the nearest person where nobody was identified; refused sightings have none (`SCORE_BINS`). */
  readonly otherScores: readonly number[];
  /** Of every sighting (`QUALITY_BINS`). */
  readonly qualities: readonly number[];
  /** Of every sighting, seconds (`DWELL_BINS`). */
  readonly dwells: readonly number[];
}

export interface DistributionQuery extends SeriesFilter {
  readonly tenantId: TenantId;
  /** Inclusive; taken back to a whole hour (UTC), which is what histograms are kept by. */
  readonly from: Date;
  /** Exclusive; taken on to a whole hour (UTC). */
  readonly to: Date;
  /** What is counted apart. Default: everything, so that each row is one camera, release and variant. */
  readonly by?: readonly Dimension[] | undefined;
  /** Rows behind the one with these keys: values of {@link dimensionColumns}. */
  readonly after?: readonly string[] | undefined;
  readonly limit?: number | undefined;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * Adds up what was counted in a time, one row for each site, camera, release, variant … that is asked for apart: whole
 * days (UTC) from their sums, the rest from hours.
 *
 * @returns rows in the order of their keys; none for what was not seen at all
 */
export async function readDistributions({ db }: Reader, query: DistributionQuery): Promise<readonly Distribution[]> {
  const { tenantId, by = dimensions, after = [], limit } = query;
  const from = Math.floor(query.from.getTime() / HOUR_MS) * HOUR_MS;
  const to = Math.ceil(query.to.getTime() / HOUR_MS) * HOUR_MS;
  const firstDay = Math.min(Math.ceil(from / DAY_MS) * DAY_MS, to);
  const lastDay = Math.max(Math.floor(to / DAY_MS) * DAY_MS, firstDay);
  const [start, days, afterDays, end] = [from, firstDay, lastDay, to].map((ms) => sql`${new Date(ms)}::timestamptz`);
  const grouped = dimensionColumns(by);
  const keys = sql.join([...grouped.map((column) => sql.raw(column)), sql`()`], sql`, `);
  const { rows } = await db.execute<Row>(sql`
    SELECT ${seriesKeyColumns(grouped)}, identified, ambiguous, unknown, refused, dwell_ms AS "dwellMs",
      identified_scores AS "identifiedScores", other_scores AS "otherScores", qualities, dwells
    FROM (
      SELECT ${grouped.length > 0 ? sql`${columnList(grouped)},` : sql``} ${sharedSums}
      FROM (SELECT id AS series_id, ${columnList(seriesColumns)} FROM cloud.analytics_series
        WHERE ${isSeries(tenantId, query)}) AS series
      JOIN (
        SELECT series_id, ${columnList(sharedColumns)} FROM cloud.analytics_day
        WHERE tenant_id = ${tenantId} AND day >= ${days} AND day < ${afterDays}
        UNION ALL
        SELECT series_id, ${columnList(sharedColumns)} FROM cloud.analytics_hour
        WHERE tenant_id = ${tenantId} AND (hour >= ${start} AND hour < ${days} OR hour >= ${afterDays} AND hour < ${end})
      ) AS counted USING (series_id)
      GROUP BY ${keys}) AS summed
    WHERE identified IS NOT NULL
    ${
      after.length > 0
        ? sql`AND (${columnList(grouped)}) > (${sql.join(
            [...after].map((key) => sql`${key}`),
            sql`, `,
          )})`
        : sql``
    }
    ${grouped.length > 0 ? sql`ORDER BY ${columnList(grouped)}` : sql``} ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`);
  return rows.map(toDistribution);
}

interface Row extends Record<string, unknown>, SeriesKey {
  readonly identified: string;
  readonly ambiguous: string;
  readonly unknown: string;
  readonly refused: string;
  readonly dwellMs: string;
  readonly identifiedScores: readonly number[];
  readonly otherScores: readonly number[];
  readonly qualities: readonly number[];
  readonly dwells: readonly number[];
}

// PostgreSQL's sums are bigints, which come as text: far below 2^53 here.
function toDistribution({ identified, ambiguous, unknown, refused, dwellMs, ...row }: Row): Distribution {
  const counts = { identified: Number(identified), ambiguous: Number(ambiguous), unknown: Number(unknown) };
  return { ...row, ...counts, refused: Number(refused), dwellMs: Number(dwellMs) };
}
