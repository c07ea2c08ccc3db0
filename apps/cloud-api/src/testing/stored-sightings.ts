import { newSightingId, type PersonId, type SightingId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import type { StartedCloudApi } from '../start-cloud-api.js';
import { TENANT } from './test-cloud.js';

/** A sighting with its decision, as ingest would have stored them. */
export interface StoredSighting {
  readonly id?: SightingId;
  readonly from: Date;
  /** Default: a second later. */
  readonly to?: Date;
  /** Whom it was decided to be. Default: nobody. */
  readonly personId?: PersonId | undefined;
  readonly site?: string;
  readonly camera?: string;
}

/** Stores sightings of the box `box-1`, which there must be; in one statement, however many they are. */
export async function storeSightings(
  { database: { db } }: Pick<StartedCloudApi, 'database'>,
  sightings: readonly StoredSighting[],
): Promise<readonly SightingId[]> {
  const rows = sightings.map(({ id = newSightingId(), from, to, personId, site = 'lobby', camera = 'door' }) => ({
    ...{ id, from, to: to ?? new Date(from.getTime() + 1000), person: personId ?? null, site, camera },
  }));
  await db.execute(sql`
    WITH given AS (SELECT * FROM json_to_recordset(${JSON.stringify(rows)}::json)
        AS one (id uuid, "from" timestamptz, "to" timestamptz, person uuid, site text, camera text)),
      stored AS (
        INSERT INTO cloud.sighting (tenant_id, id, device_id, site_id, camera_id, phase, revision, first_seen_at,
          last_seen_at, device_first_seen_ms, device_last_seen_ms, boot_id, clock_synchronised, dating, received_at,
          latency_ms, quality, frames, replayed, release_digest, trial_arm, stage_ms)
        SELECT ${TENANT}, id, 'box-1', site, camera, 'close', 1, "from", "to", 0, 0, 'b', true, 'monotonic', "to", 1,
          0.8, 5, false, 'd', '', '{}' FROM given)
    INSERT INTO cloud.identification (tenant_id, sighting_id, revision, outcome, person_id, threshold, false_match_rate,
      identify_ms, decided_at)
    SELECT ${TENANT}, id, 1, CASE WHEN person IS NULL THEN 'unknown' ELSE 'identified' END, person, 0.5, 1e-3, 1, "to"
    FROM given`);
  return rows.map(({ id }) => id);
}
