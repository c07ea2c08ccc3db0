import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';

/** Histograms of what is watched; their bins are those of `analytics/bins.ts`, which never change. */
export type MeasureCounts = Readonly<Record<rest.DriftMeasure['measure'], readonly number[]>>;

/** Whose sightings are counted together: those of a camera by a release and an embedder variant. */
export interface WatchedCamera {
  readonly deviceId: DeviceId;
  readonly cameraId: string;
  readonly releaseDigest: string;
  readonly variantDigest: string;
}

/** From one time up to another. */
export interface Period {
  readonly from: Date;
  readonly until: Date;
}

export interface CountedHour {
  readonly hour: Date;
  readonly counts: MeasureCounts;
}

/** A camera that was seen in a period, where it was last, and the first hour. */
export interface SeenCamera extends WatchedCamera {
  readonly siteId: string;
  readonly first: Date;
}

export const noCounts: MeasureCounts = { 'identified-score': [], 'other-score': [], quality: [] };

/** Bin by bin. */
export function addCounts(one: MeasureCounts, other: MeasureCounts): MeasureCounts {
  const added = (a: readonly number[], b: readonly number[]): readonly number[] =>
    (a.length < b.length ? b : a).map((_, bin) => (a[bin] ?? 0) + (b[bin] ?? 0));
  return {
    'identified-score': added(one['identified-score'], other['identified-score']),
    'other-score': added(one['other-score'], other['other-score']),
    quality: added(one.quality, other.quality),
  };
}

/** Sightings that were counted: each has a quality. */
export function sightingsIn({ quality }: MeasureCounts): number {
  return quality.reduce((total, count) => total + count, 0);
}

const epochMs = sql`(extract(epoch FROM hour) * 1000)::float8`;

/** What the roll-ups of analytics have counted, camera by camera. */
@Injectable()
export class CameraDistributions {
  constructor(@Inject(DATABASE) private readonly database: Database) {}

  /** Cameras with what made their templates; sightings without a template are left out. */
  async seen(tenantId: TenantId, { from, until }: Period): Promise<readonly SeenCamera[]> {
    const { rows } = await this.database.db.execute<
      Omit<SeenCamera, 'first'> & { readonly firstMs: number } & Record<string, unknown>
    >(sql`
      SELECT device_id AS "deviceId", camera_id AS "cameraId", release_digest AS "releaseDigest",
        variant_digest AS "variantDigest", min(${epochMs}) AS "firstMs",
        (array_agg(site_id ORDER BY hour DESC))[1] AS "siteId"
      FROM cloud.analytics_hour counted JOIN cloud.analytics_series series ON series.id = counted.series_id
      WHERE counted.tenant_id = ${tenantId} AND hour >= ${from} AND hour < ${until} AND variant_digest <> ''
      GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`);
    return rows.map(({ firstMs, ...row }) => ({ ...row, first: new Date(firstMs) }));
  }

  /** The hours of a camera in which anything was seen, the first one first. */
  async hours(tenantId: TenantId, camera: WatchedCamera, { from, until }: Period): Promise<readonly CountedHour[]> {
    const { rows } = await this.database.db.execute<{
      hourMs: number;
      identified: number[];
      others: number[];
      quality: number[];
    }>(sql`
      SELECT ${epochMs} AS "hourMs", identified_scores AS identified, other_scores AS others, qualities AS quality
      FROM cloud.analytics_hour counted
      JOIN (SELECT id FROM cloud.analytics_series
        WHERE tenant_id = ${tenantId} AND device_id = ${camera.deviceId} AND camera_id = ${camera.cameraId}
          AND release_digest = ${camera.releaseDigest} AND variant_digest = ${camera.variantDigest}) AS series
        ON series.id = counted.series_id
      WHERE counted.tenant_id = ${tenantId} AND hour >= ${from} AND hour < ${until}
      ORDER BY hour`);
    return rows.map(({ hourMs, identified, others, quality }) => ({
      hour: new Date(hourMs),
      counts: { 'identified-score': identified, 'other-score': others, quality },
    }));
  }

  /** All hours of a period together. */
  async total(tenantId: TenantId, camera: WatchedCamera, period: Period): Promise<MeasureCounts> {
    return (await this.hours(tenantId, camera, period)).reduce((sum, { counts }) => addCounts(sum, counts), noCounts);
  }
}
