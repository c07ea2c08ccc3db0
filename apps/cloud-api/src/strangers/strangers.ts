import type { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { AppError, isUuid, type Clock, type SightingId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, sql, type SQL } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage } from '../http/page-cursor.js';
import { DecisionPolicies } from '../identification/decision-policies.js';
import { retentionOf } from '../identification/decision-policy.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { readSightings, toSighting } from '../sightings/sighting-view.js';
import { sighting } from '../storage/schema.js';
import { stranger, strangerClustering, strangerSighting } from '../storage/search-schema.js';

const LATEST = 100;
const OFF = { sites: [], retentionDays: 7, minimumQuality: 0.5, falsePositiveRate: 0.01 };

export interface StrangerKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

interface StrangerRow extends Record<string, unknown> {
  readonly id: string;
  readonly sightings: number;
  readonly sites: readonly string[];
  readonly firstMs: number;
  readonly lastMs: number;
  readonly expiresMs: number;
}

/** Unknown people who are told apart, where a tenant wants that. */
@Injectable()
export class Strangers {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly policies: DecisionPolicies,
    private readonly personalData: PersonalData,
    private readonly audit: Audit,
  ) {}

  async settings(tenantId: TenantId): Promise<rest.StrangerClustering> {
    const where = eq(strangerClustering.tenantId, tenantId);
    const [row] = await this.database.db.select().from(strangerClustering).where(where);
    if (row === undefined) return { ...OFF, changedAt: null };
    const { sites, retentionDays, minimumQuality, falsePositiveRate, changedAt } = row;
    return { sites, retentionDays, minimumQuality, falsePositiveRate, changedAt: changedAt.toISOString() };
  }

  /**
   * Says where strangers are told apart. What was gathered at other sites is deleted in the same transaction.
   *
   * @throws AppError `STRANGER.PROBES_NOT_KEPT` where the decision policy keeps no probes of unknown people
   */
  async change(tenantId: TenantId, settings: rest.PutStrangerClustering): Promise<rest.StrangerClustering> {
    const { unknownHours } = retentionOf(await this.policies.of(tenantId));
    if (settings.sites.length > 0 && unknownHours === 0) {
      throw new AppError(
        'STRANGER.PROBES_NOT_KEPT',
        'Set retention.unknownHours of the decision policy: strangers are told apart by probes that are kept.',
      );
    }
    const row = { ...settings, sites: [...new Set(settings.sites)], changedAt: new Date(this.clock.wallMs()) };
    await inTransaction(this.database, async (tx) => {
      // Waits for whoever is telling strangers apart now.
      await tx
        .insert(strangerClustering)
        .values({ tenantId, ...row })
        .onConflictDoUpdate({ target: strangerClustering.tenantId, set: row });
      await tx.execute(sql`
        DELETE FROM cloud.stranger_sighting own USING cloud.sighting seen
        WHERE own.tenant_id = ${tenantId} AND seen.tenant_id = own.tenant_id AND seen.id = own.sighting_id
          AND NOT seen.site_id = ANY (${sql.param(row.sites)}::text[])`);
      await tx.execute(sql`
        DELETE FROM cloud.stranger one WHERE tenant_id = ${tenantId} AND NOT EXISTS (
          SELECT FROM cloud.stranger_sighting own WHERE own.tenant_id = one.tenant_id AND own.stranger_id = one.id)`);
      await this.audit.record(tx, { tenantId, action: 'stranger-clustering.change' });
    });
    return this.settings(tenantId);
  }

  /** Those who were seen last first. */
  async list(tenantId: TenantId, query: rest.StrangerQuery): Promise<rest.StrangerPage> {
    const { limit, cursor, site, minimumSightings } = query;
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const seen = sql`max(seen.last_seen_at)`;
    const having = sql`count(*) >= ${minimumSightings}
      ${site === undefined ? sql`` : sql`AND bool_or(seen.site_id = ${site})`}
      ${after === undefined ? sql`` : sql`AND (${seen}, own.stranger_id) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`}`;
    const rows = await this.#read(tenantId, { where: sql`true`, having, limit: limit + 1 });
    return toPage(rows, limit, { item: toStranger, cursor: (row) => ({ time: new Date(row.lastMs), id: row.id }) });
  }

  /** @throws AppError `STRANGER.NOT_FOUND` */
  async get({ tenantId, id }: StrangerKey): Promise<rest.StrangerDetail> {
    const where = sql`own.stranger_id = ${id}::uuid`;
    const [row] = await this.#read(tenantId, { where, having: sql`true`, limit: 1 });
    if (row === undefined) throw strangerNotFound();
    const mine = sql`EXISTS (SELECT FROM cloud.stranger_sighting own
      WHERE own.tenant_id = ${tenantId} AND ${where} AND own.sighting_id = ${sighting.id} AND ${this.#isPresent()})`;
    const sightings = await readSightings(this.database, this.personalData, {
      where: and(eq(sighting.tenantId, tenantId), mine),
      limit: LATEST,
    });
    return { ...toStranger(row), latest: sightings.map(toSighting) };
  }

  /**
   * Forgets a stranger, with the probes of their sightings; these stay as they were decided.
   *
   * @throws AppError `STRANGER.NOT_FOUND`
   */
  async forget({ tenantId, id }: StrangerKey): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const isThis = and(eq(stranger.tenantId, tenantId), eq(stranger.id, id));
      const [found] = await tx.select({ id: stranger.id }).from(stranger).where(isThis).for('update');
      if (found === undefined) throw strangerNotFound();
      await tx.execute(sql`
        DELETE FROM cloud.kept_probe kept USING cloud.stranger_sighting own
        WHERE own.tenant_id = ${tenantId} AND own.stranger_id = ${id}::uuid
          AND kept.tenant_id = own.tenant_id AND kept.sighting_id = own.sighting_id`);
      await tx.delete(stranger).where(isThis);
    });
  }

  /** Their sightings with the revision that counts, the best probes first. */
  async members({ tenantId, id }: StrangerKey): Promise<readonly { sightingId: SightingId; revision: number }[]> {
    const { rows } = await this.database.db.execute<{ sightingId: SightingId; revision: number }>(sql`
      SELECT own.sighting_id AS "sightingId", seen.revision FROM ${FROM}
      JOIN cloud.kept_probe kept ON kept.tenant_id = own.tenant_id AND kept.sighting_id = own.sighting_id
      WHERE own.tenant_id = ${tenantId} AND own.stranger_id = ${id}::uuid AND ${this.#isPresent()}
      ORDER BY kept.quality DESC, own.sighting_id`);
    return rows;
  }

  async #read(
    tenantId: TenantId,
    { where, having, limit }: { readonly where: SQL; readonly having: SQL; readonly limit: number },
  ): Promise<readonly StrangerRow[]> {
    const { rows } = await this.database.db.execute<StrangerRow>(sql`
      SELECT own.stranger_id AS id, count(*)::int AS sightings, array_agg(DISTINCT seen.site_id) AS sites,
        extract(epoch FROM min(seen.first_seen_at))::float8 * 1000 AS "firstMs",
        extract(epoch FROM max(seen.last_seen_at))::float8 * 1000 AS "lastMs",
        extract(epoch FROM max(own.expires_at))::float8 * 1000 AS "expiresMs"
      FROM ${FROM} WHERE own.tenant_id = ${tenantId} AND ${this.#isPresent()} AND ${where}
      GROUP BY own.stranger_id HAVING ${having}
      ORDER BY max(seen.last_seen_at) DESC, own.stranger_id DESC LIMIT ${limit}`);
    return rows;
  }

  #isPresent(): SQL {
    return sql`own.expires_at > ${new Date(this.clock.wallMs()).toISOString()}::timestamptz`;
  }
}

export const strangerNotFound = (): AppError =>
  new AppError('STRANGER.NOT_FOUND', 'There is no stranger with this id (any more).');

const FROM = sql`${strangerSighting} own
  JOIN cloud.sighting seen ON seen.tenant_id = own.tenant_id AND seen.id = own.sighting_id`;

function toStranger({ id, sightings, sites, firstMs, lastMs, expiresMs }: StrangerRow): rest.Stranger {
  const iso = (ms: number): string => new Date(Math.round(ms)).toISOString();
  return {
    ...{ id, sightings, sites: [...sites] },
    ...{ firstSeenAt: iso(firstMs), lastSeenAt: iso(lastMs), expiresAt: iso(expiresMs) },
  };
}
