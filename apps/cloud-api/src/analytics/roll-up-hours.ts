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
import { seriesColumns } from './series.js';

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

/**
 * The sightings of a `touched` hour as they are now, each with the decision about its current revision: what is behind
 * FROM in a LATERAL. How many hours and sightings there are the planner can only guess. What is behind `OFFSET 0` is read
 * row by row from an index, not from whole tables for a few hours; and expressions are computed once a row, not once for
 * each aggregate.
 */
export const seenInHour = ({ tenantId }: ChangedHours): SQL => sql`
  cloud.sighting s CROSS JOIN LATERAL (
    SELECT outcome, person_id, score, facts FROM cloud.identification
    WHERE tenant_id = s.tenant_id AND sighting_id = s.id AND revision = s.revision OFFSET 0) AS i
  WHERE s.tenant_id = ${tenantId} AND s.site_id = ANY (touched.site_ids)
    AND s.first_seen_at >= touched.hour AND s.first_seen_at < touched.hour + interval '1 hour'`;

/** Whether all sightings of an hour are still there. */
export const isOpen = ({ closedBefore }: ChangedHours, hour: SQL): SQL =>
  sql`${hour} >= coalesce(${closedBefore}::timestamptz, '-infinity')`;

const isOfSites = ({ tenantId }: ChangedHours, siteIds: SQL): SQL => sql`series_id IN (
  SELECT id FROM cloud.analytics_series WHERE tenant_id = ${tenantId} AND site_id = ANY (${siteIds}))`;

/**
 * Counts hours anew from their sightings. Of a closed hour a row is replaced only by one that counts no fewer, and none
 * is removed.
 */
export async function rollUpHours(tx: Transaction, changed: ChangedHours): Promise<void> {
  const { tenantId } = changed;
  await tx.execute(sql`
    WITH ${touchedHours(changed)},
    counted AS MATERIALIZED (
      SELECT touched.hour, known.id AS series_id, of_hour.*
      FROM touched CROSS JOIN LATERAL (
        SELECT ${columnList(seriesColumns)}, ${hourAggregates}
        FROM (
          SELECT s.site_id, s.device_id, s.camera_id, s.release_digest,
            coalesce(${variantDigest}, '') AS variant_digest, ${measures}
          FROM ${seenInHour(changed)} OFFSET 0) AS seen
        GROUP BY ${columnList(seriesColumns)}) AS of_hour
      LEFT JOIN LATERAL (
        SELECT id FROM cloud.analytics_series series
        WHERE tenant_id = ${tenantId} AND (${columnList(seriesColumns, 'series')}) = (${columnList(seriesColumns, 'of_hour')})
        OFFSET 0) AS known ON true),
    added AS (
      INSERT INTO cloud.analytics_series (tenant_id, ${columnList(seriesColumns)})
      SELECT DISTINCT ${tenantId}, ${columnList(seriesColumns)} FROM counted WHERE series_id IS NULL
      RETURNING *),
    placed AS MATERIALIZED (
      SELECT hour, series_id, ${columnList(hourColumns)} FROM counted WHERE series_id IS NOT NULL
      UNION ALL
      SELECT hour, added.id, ${columnList(hourColumns)}
      FROM counted JOIN added USING (${columnList(seriesColumns)}) WHERE counted.series_id IS NULL),
    vanished AS (
      DELETE FROM cloud.analytics_hour WHERE ctid = ANY (ARRAY(
        SELECT max(at) FROM (
          SELECT hour, series_id, NULL::tid AS at FROM placed
          UNION ALL
          SELECT touched.hour, old.series_id, old.at
          FROM touched CROSS JOIN LATERAL (
            SELECT series_id, ctid AS at FROM cloud.analytics_hour
            WHERE tenant_id = ${tenantId} AND hour = touched.hour AND ${isOfSites(changed, sql`touched.site_ids`)}
            OFFSET 0) AS old
          WHERE ${isOpen(changed, sql`touched.hour`)}) AS either
        GROUP BY hour, series_id HAVING count(at) = count(*))))
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
    touched_day AS MATERIALIZED (
      SELECT date_bin('1 day', hour, 'epoch') AS day, array_agg(DISTINCT site_id) AS site_ids
      FROM touched, unnest(site_ids) AS site_id GROUP BY 1),
    counted AS MATERIALIZED (
      SELECT day, of_day.*
      FROM touched_day CROSS JOIN LATERAL (
        SELECT series_id, ${sharedSums} FROM cloud.analytics_hour
        WHERE tenant_id = ${tenantId} AND hour >= day AND hour < day + interval '1 day'
          AND ${isOfSites(changed, sql`touched_day.site_ids`)}
        GROUP BY series_id) AS of_day),
    vanished AS (
      DELETE FROM cloud.analytics_day WHERE ctid = ANY (ARRAY(
        SELECT max(at) FROM (
          SELECT day, series_id, NULL::tid AS at FROM counted
          UNION ALL
          SELECT touched_day.day, old.series_id, old.at
          FROM touched_day CROSS JOIN LATERAL (
            SELECT series_id, ctid AS at FROM cloud.analytics_day
            WHERE tenant_id = ${tenantId} AND day = touched_day.day AND ${isOfSites(changed, sql`touched_day.site_ids`)}
            OFFSET 0) AS old) AS either
        GROUP BY day, series_id HAVING count(at) = count(*))))
    INSERT INTO cloud.analytics_day AS old (tenant_id, day, series_id, ${columnList(sharedColumns)})
    SELECT ${tenantId}, day, series_id, ${columnList(sharedColumns)} FROM counted
    ON CONFLICT (tenant_id, day, series_id) DO UPDATE SET ${overwritten(sharedColumns)}
    WHERE (${columnList(sharedColumns, 'old')}) IS DISTINCT FROM (${columnList(sharedColumns, 'excluded')})`);
}
