import { inTransaction, type Database, type Transaction } from '@sightline/database';
import type { Logger, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DATABASE, LOGGER } from '../platform/tokens.js';
import { noteChangedSightings } from './changed-hours.js';
import { rollUpHours, type ChangedHours } from './roll-up-hours.js';
import { rollUpPeople } from './roll-up-people.js';

/** Hours of one transaction: of whole days where there are many, so that a day is added up once. */
const HOURS = 24;

/**
 * Counts the hours anew whose sightings have changed. Each tenant's are counted by one process at a time; of what is
 * committed meanwhile another run hears.
 */
@Injectable()
export class RollUps {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Counts what had changed when it began. @returns how many hours that were, over all tenants */
  async pass(signal: AbortSignal): Promise<number> {
    const { rows } = await this.database.db.execute<{ tenantId: TenantId }>(sql`
      SELECT DISTINCT tenant_id AS "tenantId" FROM cloud.analytics_dirty ORDER BY 1`);
    let hours = 0;
    for (const { tenantId } of rows) hours += await this.passTenant(tenantId, signal);
    return hours;
  }

  /** The same of one tenant. */
  async passTenant(tenantId: TenantId, signal: AbortSignal): Promise<number> {
    // Of the database's clock, as the marks are.
    const { rows } = await this.database.db.execute<{ now: string }>(sql`SELECT clock_timestamp()::text AS now`);
    const until = rows[0]?.now ?? 'infinity';
    let hours = 0;
    let some: number;
    do {
      signal.throwIfAborted();
      some = await inTransaction(this.database, (tx) => this.#some(tx, tenantId, until));
      hours += some;
    } while (some > 0);
    if (hours > HOURS) this.log.info({ tenantId, hours }, 'hours of sightings were counted anew');
    return hours;
  }

  async #some(tx: Transaction, tenantId: TenantId, until: string): Promise<number> {
    // Statements of many aggregates over few rows: compiling them takes longer than running them.
    await tx.execute(sql`SET LOCAL jit = off`);
    const closedBefore = await lockTenant(tx, tenantId);
    // Whatever is visible to this statement is visible to those after it. What is committed later is marked again.
    const { rows } = await tx.execute<{ hour: string; siteIds: string[] }>(sql`
      WITH taken AS (
        DELETE FROM cloud.analytics_dirty
        WHERE tenant_id = ${tenantId} AND hour IN (
          SELECT hour FROM (
            -- Hours of this day and of those before it.
            SELECT hour, count(*) OVER (ORDER BY since, day DESC) AS hours
            FROM (
              SELECT hour, day, min(min(noted_at)) OVER (PARTITION BY day) AS since
              FROM cloud.analytics_dirty, date_bin('1 day', hour, 'epoch') AS day
              WHERE tenant_id = ${tenantId} AND noted_at <= ${until}::timestamptz
              GROUP BY hour, day) AS noted) AS ordered
          WHERE hours <= ${HOURS})
        RETURNING hour, site_ids)
      SELECT hour, array_agg(DISTINCT site_id) AS "siteIds" FROM taken, unnest(site_ids) AS site_id GROUP BY hour`);
    if (rows.length === 0) return 0;
    const changed: ChangedHours = { tenantId, hours: rows, closedBefore };
    await rollUpHours(tx, changed);
    await rollUpPeople(tx, changed);
    return rows.length;
  }

  /** Has every hour of a tenant whose sightings are still there counted anew. @returns how many */
  rebuild(tenantId: TenantId): Promise<number> {
    return noteChangedSightings(this.database.db, sql`tenant_id = ${tenantId}`);
  }
}

/**
 * Takes the right to change what is counted of a tenant, until the transaction ends.
 *
 * @returns before when sightings may have been deleted; null: never
 */
export async function lockTenant(tx: Transaction, tenantId: TenantId): Promise<string | null> {
  await tx.execute(sql`INSERT INTO cloud.analytics_state (tenant_id) VALUES (${tenantId}) ON CONFLICT DO NOTHING`);
  const { rows } = await tx.execute<{ closedBefore: string | null }>(sql`
    SELECT closed_before AS "closedBefore" FROM cloud.analytics_state WHERE tenant_id = ${tenantId} FOR UPDATE`);
  return rows[0]?.closedBefore ?? null;
}
