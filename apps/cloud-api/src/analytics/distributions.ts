import type { Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { columnList, sharedColumns, sharedSums } from './hour-columns.js';

/** What analytics can be asked for apart. */
export const dimensions = ['site', 'device', 'camera', 'release', 'variant'] as const;
export type Dimension = (typeof dimensions)[number];

/** Which series are meant; what is left out, all. */
export interface SeriesFilter {
  readonly siteId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly cameraId?: string | undefined;
  readonly releaseDigest?: string | undefined;
  /** Of the embedder variant that made the probes. */
  readonly variantDigest?: string | undefined;
}

/** What was counted together. A field is null where it was not asked for apart, or where there is none. */
export interface SeriesKey {
  readonly siteId: string | null;
  readonly deviceId: string | null;
  readonly cameraId: string | null;
  readonly releaseDigest: string | null;
  readonly variantDigest: string | null;
}

/** Counts of sightings by outcome, how long they lasted, and histograms with the bins of `bins.ts`. */
export interface Distribution extends SeriesKey {
  readonly identified: number;
  readonly ambiguous: number;
  readonly unknown: number;
  readonly refused: number;
  readonly dwellMs: number;
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
}

const columns: Readonly<Record<Dimension, readonly string[]>> = {
  site: ['site_id'],
  // A box may be moved; its name is one of the tenant's.
  device: ['device_id'],
  camera: ['device_id', 'camera_id'],
  release: ['release_digest'],
  variant: ['variant_digest'],
};

/** The columns of a series that some dimensions need. */
export const dimensionColumns = (by: readonly Dimension[]): readonly string[] => [
  ...new Set(by.flatMap((dimension) => columns[dimension])),
];

/** Conditions on `analytics_series`, whose columns are not qualified. */
export function isSeries(tenantId: TenantId, filter: SeriesFilter): SQL {
  const { siteId, deviceId, cameraId, releaseDigest, variantDigest } = filter;
  const wanted = Object.entries({
    ...{ site_id: siteId, device_id: deviceId, camera_id: cameraId },
    ...{ release_digest: releaseDigest, variant_digest: variantDigest },
  }).filter(([, value]) => value !== undefined);
  return sql.join(
    [sql`tenant_id = ${tenantId}`, ...wanted.map(([column, value]) => sql`${sql.identifier(column)} = ${value}`)],
    sql` AND `,
  );
}

const seriesColumns = ['site_id', 'device_id', 'camera_id', 'release_digest', 'variant_digest'] as const;

/** `site_id AS "siteId", …` of what is grouped by, null of the rest. */
export function seriesKeyColumns(grouped: readonly string[]): SQL {
  const parts = seriesColumns.map((column) => {
    const name = sql.identifier(column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
    return grouped.includes(column) ? sql`nullif(${sql.raw(column)}, '') AS ${name}` : sql`NULL AS ${name}`;
  });
  return sql.join(parts, sql`, `);
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * Adds up what was counted in a time, one row for each site, camera, release, variant … that is asked for apart: whole
 * days (UTC) from their sums, the rest from hours.
 *
 * @returns rows in the order of their keys; none for what was not seen at all
 */
export async function readDistributions(
  { db }: Pick<Database, 'db'>,
  query: DistributionQuery,
): Promise<readonly Distribution[]> {
  const { tenantId, by = dimensions } = query;
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
    ${grouped.length > 0 ? sql`ORDER BY ${columnList(grouped)}` : sql``}`);
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
