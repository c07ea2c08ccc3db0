import type { Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import {
  columnList,
  hourAggregates,
  hourColumns,
  measures,
  OUTCOMES,
  overwritten,
  sharedColumns,
  sharedSums,
} from './hour-columns.js';

/** Hours of one tenant whose sightings have changed; times as PostgreSQL writes them. */
export interface ChangedHours {
  readonly tenantId: TenantId;
  readonly hours: readonly { readonly hour: string; readonly siteIds: readonly string[] }[];
  /** Sightings from before may have been deleted. */
  readonly closedBefore: string | null;
}

/** The variant that made the probe: the calibration's unless the decision says another; none where there was no probe. */
const variantDigest = sql`CASE WHEN i.facts ? 'probeVariant' THEN i.facts ->> 'probeVariant' ELSE i.facts ->> 'variant' END`;

const total = (of: string): SQL => sql.raw(OUTCOMES.map((outcome) => `${of}.${outcome}`).join(' + '));

/** `touched (hour, site_ids)`, for a WITH clause. */
export const touchedHours = ({ hours }: ChangedHours): SQL => sql`touched AS MATERIALIZED (
  SELECT hour, site_ids FROM json_to_recordset(${JSON.stringify(
    hours.map(({ hour, siteIds }) => ({ hour, site_ids: siteIds })),
  )}::json) AS given (hour timestamptz, site_ids text[]))`;

/** The sightings of the touched hours as they are now, each with the decision about its current revision. */
export const seenInHours = ({ tenantId }: ChangedHours): SQL => sql`
  touched JOIN cloud.sighting s ON s.tenant_id = ${tenantId}
    AND s.first_seen_at >= touched.hour AND s.first_seen_at < touched.hour + interval '1 hour'
    AND s.site_id = ANY (touched.site_ids)
  JOIN cloud.identification i ON i.tenant_id = s.tenant_id AND i.sighting_id = s.id AND i.revision = s.revision`;

const isOpen = ({ closedBefore }: ChangedHours, hour: SQL): SQL =>
  sql`${hour} >= coalesce(${closedBefore}::timestamptz, '-infinity')`;

/**
 * Counts hours anew from their sightings. Of a closed hour a row is replaced only by one that counts no fewer, and none
 * is removed.
 */
export async function rollUpHours(tx: Transaction, changed: ChangedHours): Promise<void> {
  const { tenantId } = changed;
  await tx.execute(sql`
    WITH ${touchedHours(changed)},
    counted AS MATERIALIZED (
      SELECT hour, site_id, device_id, camera_id, release_digest, variant_digest, ${hourAggregates}
      FROM (
        SELECT touched.hour, s.site_id, s.device_id, s.camera_id, s.release_digest,
          coalesce(${variantDigest}, '') AS variant_digest, ${measures}
        FROM ${seenInHours(changed)}) AS seen
      GROUP BY hour, site_id, device_id, camera_id, release_digest, variant_digest),
    added AS (
      INSERT INTO cloud.analytics_series (tenant_id, site_id, device_id, camera_id, release_digest, variant_digest)
      SELECT DISTINCT ${tenantId}, site_id, device_id, camera_id, release_digest, variant_digest FROM counted
      EXCEPT
      SELECT tenant_id, site_id, device_id, camera_id, release_digest, variant_digest FROM cloud.analytics_series
      WHERE tenant_id = ${tenantId}
      RETURNING *),
    series AS (
      SELECT * FROM cloud.analytics_series WHERE tenant_id = ${tenantId} UNION ALL SELECT * FROM added),
    placed AS MATERIALIZED (
      SELECT series.id AS series_id, counted.*
      FROM counted JOIN series USING (site_id, device_id, camera_id, release_digest, variant_digest)),
    vanished AS (
      DELETE FROM cloud.analytics_hour old USING touched, cloud.analytics_series series
      WHERE old.tenant_id = ${tenantId} AND old.hour = touched.hour AND ${isOpen(changed, sql`old.hour`)}
        AND series.id = old.series_id AND series.site_id = ANY (touched.site_ids)
        AND NOT EXISTS (SELECT FROM placed WHERE placed.hour = old.hour AND placed.series_id = old.series_id))
    INSERT INTO cloud.analytics_hour AS old (tenant_id, hour, series_id, ${columnList(hourColumns)})
    SELECT ${tenantId}, hour, series_id, ${columnList(hourColumns)} FROM placed
    ON CONFLICT (tenant_id, hour, series_id) DO UPDATE SET ${overwritten(hourColumns)}
    WHERE (${isOpen(changed, sql`old.hour`)} OR ${total('excluded')} >= ${total('old')})
      AND (${columnList(hourColumns, 'old')}) IS DISTINCT FROM (${columnList(hourColumns, 'excluded')})`);
  await addUpDays(tx, changed);
}

/** The days of the touched hours, from all of their hours. */
async function addUpDays(tx: Transaction, changed: ChangedHours): Promise<void> {
  const { tenantId } = changed;
  await tx.execute(sql`
    WITH ${touchedHours(changed)},
    touched_day AS (
      SELECT DISTINCT date_bin('1 day', hour, 'epoch') AS day, site_id FROM touched, unnest(site_ids) AS site_id),
    touched_series AS MATERIALIZED (
      SELECT day, series.id AS series_id
      FROM touched_day JOIN cloud.analytics_series series ON series.tenant_id = ${tenantId} AND series.site_id = touched_day.site_id),
    counted AS MATERIALIZED (
      SELECT day, series_id, ${sharedSums}
      FROM touched_series JOIN cloud.analytics_hour USING (series_id)
      WHERE tenant_id = ${tenantId} AND hour >= day AND hour < day + interval '1 day'
      GROUP BY day, series_id),
    vanished AS (
      DELETE FROM cloud.analytics_day old USING touched_series
      WHERE old.tenant_id = ${tenantId} AND old.day = touched_series.day AND old.series_id = touched_series.series_id
        AND NOT EXISTS (SELECT FROM counted WHERE counted.day = old.day AND counted.series_id = old.series_id))
    INSERT INTO cloud.analytics_day AS old (tenant_id, day, series_id, ${columnList(sharedColumns)})
    SELECT ${tenantId}, day, series_id, ${columnList(sharedColumns)} FROM counted
    ON CONFLICT (tenant_id, day, series_id) DO UPDATE SET ${overwritten(sharedColumns)}
    WHERE (${columnList(sharedColumns, 'old')}) IS DISTINCT FROM (${columnList(sharedColumns, 'excluded')})`);
}
