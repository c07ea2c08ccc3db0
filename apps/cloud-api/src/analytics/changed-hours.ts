import type { Transaction } from '@sightline/database';
import { sql, type SQL } from 'drizzle-orm';

/**
 * Has the hours of sightings counted anew, whose own rows have not changed: those that have are noted by a trigger.
 *
 * @param which a condition on `cloud.sighting`
 * @returns how many hours
 */
export async function noteChangedSightings(db: Pick<Transaction, 'execute'>, which: SQL): Promise<number> {
  const { rowCount } = await db.execute(sql`
    INSERT INTO cloud.analytics_dirty (tenant_id, hour, site_ids)
    SELECT tenant_id, date_bin('1 hour', first_seen_at, 'epoch'), array_agg(DISTINCT site_id)
    FROM cloud.sighting WHERE ${which} GROUP BY 1, 2`);
  return rowCount ?? 0;
}
