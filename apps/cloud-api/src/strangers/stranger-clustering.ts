import { randomUUID } from 'node:crypto';

import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { errorMessage, type Clock, type KeyId, type Logger, type SightingId, type TenantId } from '@sightline/kernel';
import { AMBIGUITY_MARGIN, searchPoint } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, sql, type SQL } from 'drizzle-orm';

import { DecisionPlaces } from '../identification/decision-places.js';
import { sealedProbeOf } from '../identification/kept-probes.js';
import { ProbeKeeping } from '../identification/probe-keeping.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import { keptProbe } from '../storage/decision-schema.js';
import { stranger, strangerClustering, strangerSighting } from '../storage/search-schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { Clusters } from './clusters.js';

/** Newcomers of one transaction. */
const BATCH = 200;
/** Sightings of strangers of a tenant that newcomers are compared with at most, the newest: they are opened each time. */
const COMPARED = 20_000;

type Settings = typeof strangerClustering.$inferSelect;
interface Probe {
  readonly sightingId: SightingId;
  readonly vector: Float32Array;
}

/**
 * Tells unknown people apart, some time after their sightings were stored. What is done is in the rows: a sighting that is
 * in no cluster yet is a newcomer. A tenant's row is held while its newcomers are looked at, so that processes take
 * turns, and switching it off waits for the one that is at it.
 */
@Injectable()
export class StrangerClustering {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly keeping: ProbeKeeping,
    private readonly places: DecisionPlaces,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /** Takes up all newcomers of all tenants. */
  async pass(signal: AbortSignal): Promise<void> {
    if (!this.releases.ready) return;
    const { db } = this.database;
    const tenants = await db.select({ id: strangerClustering.tenantId }).from(strangerClustering);
    for (const { id } of tenants) {
      try {
        let newcomers: number;
        do {
          signal.throwIfAborted();
          newcomers = await inTransaction(this.database, (tx) => this.#some(tx, id));
        } while (newcomers === BATCH);
      } catch (error) {
        signal.throwIfAborted();
        this.log.warn({ tenantId: id, error: errorMessage(error) }, 'strangers could not be told apart; tried again');
      }
    }
  }

  async #some(tx: Transaction, tenantId: TenantId): Promise<number> {
    const [settings] = await tx
      .select()
      .from(strangerClustering)
      .where(eq(strangerClustering.tenantId, tenantId))
      .for('update', { skipLocked: true });
    if (settings === undefined) return 0;
    await forgetKnown(tx, tenantId);
    const keyIds = (await this.templateKeys.live(tenantId)).map(({ keyId }) => keyId);
    const rows = await this.#newcomers(tx, settings, keyIds);
    if (rows.length === 0) return 0;
    const newcomers = await this.#open(tenantId, rows);
    await this.#assign(tx, settings, newcomers);
    // Of what does not open nothing is awaited.
    return newcomers.length;
  }

  async #assign(tx: Transaction, settings: Settings, newcomers: readonly Probe[]): Promise<void> {
    const { tenantId, falsePositiveRate } = settings;
    const clusters = await this.#known(tx, tenantId);
    const [place] = await this.places.rulesOf([{ tenantId }]);
    const falseMatchRate = place?.rules.target.falseMatchRate ?? falsePositiveRate;
    const { points } = this.releases.current().manifest.calibration;
    const now = new Date(this.clock.wallMs());
    for (const { sightingId, vector } of newcomers) {
      const { threshold } = searchPoint(points, { falseMatchRate, falsePositiveRate }, clusters.size);
      const newId = randomUUID();
      const { cluster, merged } = clusters.assign(vector, { threshold, margin: AMBIGUITY_MARGIN }, newId);
      if (cluster === newId) await tx.insert(stranger).values({ tenantId, id: newId, createdAt: now, personId: null });
      if (merged !== undefined) await mergeStrangers(tx, tenantId, { into: cluster, from: merged });
      await join(tx, settings, { sightingId, strangerId: cluster });
    }
  }

  /** Sightings that have ended, or of which nothing was heard for some minutes. */
  async #newcomers(
    tx: Transaction,
    { tenantId, sites, minimumQuality, retentionDays }: Settings,
    keyIds: readonly KeyId[],
  ) {
    const { recogniser } = this.releases.current();
    const now = new Date(this.clock.wallMs()).toISOString();
    const rows = await tx
      .select()
      .from(keptProbe)
      .where(
        and(
          ...[eq(keptProbe.tenantId, tenantId), sql`${keptProbe.personId} IS NULL`],
          ...[sql`${keptProbe.quality} >= ${minimumQuality}`, sql`${keptProbe.expiresAt} > ${now}::timestamptz`],
          ...[eq(keptProbe.modelSpace, recogniser.spaceId), isOneOf(sql`${keptProbe.keyId}`, keyIds)],
          sql`NOT EXISTS (SELECT FROM cloud.stranger_sighting known
            WHERE known.tenant_id = ${tenantId} AND known.sighting_id = ${keptProbe.sightingId})`,
          sql`NOT EXISTS (SELECT FROM cloud.identification_review review
            WHERE review.tenant_id = ${tenantId} AND review.sighting_id = ${keptProbe.sightingId})`,
          sql`EXISTS (SELECT FROM cloud.sighting seen
            WHERE seen.tenant_id = ${tenantId} AND seen.id = ${keptProbe.sightingId} AND ${isOneOf(sql`seen.site_id`, sites)}
              AND seen.last_seen_at > ${now}::timestamptz - make_interval(days => ${retentionDays})
              AND (seen.phase = 'close' OR seen.received_at < ${now}::timestamptz - interval '5 minutes'))`,
        ),
      )
      .orderBy(asc(keptProbe.sightingId))
      .limit(BATCH)
      // Whoever decides anew about one of them, or erases, comes before or after.
      .for('key share', { skipLocked: true });
    return rows;
  }

  async #known(tx: Transaction, tenantId: TenantId): Promise<Clusters> {
    const { recogniser } = this.releases.current();
    const now = new Date(this.clock.wallMs()).toISOString();
    const rows = await tx
      .select({ kept: keptProbe, strangerId: strangerSighting.strangerId })
      .from(strangerSighting)
      .innerJoin(
        keptProbe,
        and(eq(keptProbe.tenantId, strangerSighting.tenantId), eq(keptProbe.sightingId, strangerSighting.sightingId)),
      )
      .where(
        and(
          ...[eq(strangerSighting.tenantId, tenantId), eq(keptProbe.modelSpace, recogniser.spaceId)],
          sql`${strangerSighting.expiresAt} > ${now}::timestamptz`,
        ),
      )
      .orderBy(sql`${strangerSighting.sightingId} DESC`)
      .limit(COMPARED);
    const owners = new Map(rows.map(({ kept, strangerId }) => [kept.sightingId, strangerId]));
    const clusters = new Clusters();
    const opened = await this.#open(
      tenantId,
      rows.map(({ kept }) => kept),
    );
    for (const { sightingId, vector } of opened) clusters.add(owners.get(sightingId) ?? '', vector);
    return clusters;
  }

  /** Under the tenant's current key; what is under a key that lives no more is left out. */
  async #open(tenantId: TenantId, rows: readonly (typeof keptProbe.$inferSelect)[]): Promise<readonly Probe[]> {
    const keys = await this.templateKeys.live(tenantId);
    const [current] = keys;
    const opened = await this.keeping.openAll(tenantId, rows.map(sealedProbeOf));
    const probes = opened.map(async (template: Template | undefined, index): Promise<readonly Probe[]> => {
      const row = rows[index];
      const isLive = keys.some(({ keyId }) => keyId === template?.keyId);
      if (template === undefined || row === undefined || current === undefined || !isLive) return [];
      const vector = decodeTemplate(await this.templateKeys.under(current.keyId, tenantId, template));
      return [{ sightingId: row.sightingId, vector }];
    });
    return (await Promise.all(probes)).flat();
  }
}

/** Until its probe expires, or the tenant's time is over. */
async function join(
  tx: Transaction,
  { tenantId, retentionDays }: Settings,
  { sightingId, strangerId }: { readonly sightingId: SightingId; readonly strangerId: string },
): Promise<void> {
  await tx.execute(sql`
    INSERT INTO cloud.stranger_sighting (tenant_id, sighting_id, stranger_id, expires_at)
    SELECT kept.tenant_id, kept.sighting_id, ${strangerId}::uuid,
      least(kept.expires_at, seen.last_seen_at + make_interval(days => ${retentionDays}))
    FROM cloud.kept_probe kept
    JOIN cloud.sighting seen ON seen.tenant_id = kept.tenant_id AND seen.id = kept.sighting_id
    WHERE kept.tenant_id = ${tenantId} AND kept.sighting_id = ${sightingId}`);
}

/** Whoever was named since, by a later revision or a review, is no stranger any more; and clusters of nobody go. */
async function forgetKnown(tx: Transaction, tenantId: TenantId): Promise<void> {
  await tx.execute(sql`
    DELETE FROM cloud.stranger_sighting own USING cloud.kept_probe kept
    WHERE own.tenant_id = ${tenantId} AND kept.tenant_id = own.tenant_id AND kept.sighting_id = own.sighting_id
      AND (kept.person_id IS NOT NULL OR EXISTS (
        SELECT FROM cloud.identification_review review
        WHERE review.tenant_id = own.tenant_id AND review.sighting_id = own.sighting_id))
      AND NOT EXISTS (
        SELECT FROM cloud.stranger being
        WHERE being.tenant_id = own.tenant_id AND being.id = own.stranger_id AND being.person_id IS NOT NULL)`);
  await tx.execute(sql`
    DELETE FROM cloud.stranger one WHERE tenant_id = ${tenantId} AND NOT EXISTS (
      SELECT FROM cloud.stranger_sighting own WHERE own.tenant_id = one.tenant_id AND own.stranger_id = one.id)`);
}

async function mergeStrangers(
  tx: Transaction,
  tenantId: TenantId,
  { into, from }: { readonly into: string; readonly from: string },
): Promise<void> {
  await tx.execute(sql`
    UPDATE cloud.stranger_sighting SET stranger_id = ${into}::uuid
    WHERE tenant_id = ${tenantId} AND stranger_id = ${from}::uuid`);
  await tx.execute(sql`DELETE FROM cloud.stranger WHERE tenant_id = ${tenantId} AND id = ${from}::uuid`);
}

const isOneOf = (column: SQL, values: readonly string[]): SQL =>
  sql`${column} = ANY (${sql.param([...values])}::text[])`;
