import type { Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

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

/** Sightings by outcome, and how long they lasted. */
export interface Counts {
  readonly identified: number;
  readonly ambiguous: number;
  readonly unknown: number;
  readonly refused: number;
  readonly dwellMs: number;
}

/** What queries run on: the database, or a transaction. */
export interface Reader {
  readonly db: Pick<Database['db'], 'execute'>;
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

export const seriesColumns = ['site_id', 'device_id', 'camera_id', 'release_digest', 'variant_digest'] as const;

/** `site_id AS "siteId", …` of what is grouped by, null of the rest. */
export function seriesKeyColumns(grouped: readonly string[]): SQL {
  const parts = seriesColumns.map((column) => {
    const name = sql.identifier(column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
    return grouped.includes(column) ? sql`nullif(${sql.raw(column)}, '') AS ${name}` : sql`NULL AS ${name}`;
  });
  return sql.join(parts, sql`, `);
}

/** Values of {@link dimensionColumns}, as they are stored. */
export function seriesKeyValues(by: readonly Dimension[], key: SeriesKey): readonly string[] {
  const { siteId, deviceId, cameraId, releaseDigest, variantDigest } = key;
  const values: Readonly<Record<string, string | null>> = {
    ...{ site_id: siteId, device_id: deviceId, camera_id: cameraId },
    ...{ release_digest: releaseDigest, variant_digest: variantDigest },
  };
  return dimensionColumns(by).map((column) => values[column] ?? '');
}
