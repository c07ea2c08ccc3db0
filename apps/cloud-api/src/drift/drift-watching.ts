import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { type Database, inChunks, inTransaction, type Transaction } from '@sightline/database';
import { errorMessage, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, isNotNull, min } from 'drizzle-orm';

import { Alerts } from '../alerts/alerts.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { tenant } from '../storage/access-schema.js';
import { driftReport, driftWatch } from '../storage/drift-schema.js';
import { CameraDistributions, noCounts, sightingsIn, type Period } from './camera-distributions.js';
import { collectBaseline, compareWithBaseline, hourOf, hoursAfter, isDrifting } from './drift-comparison.js';
import { DriftPolicies } from './drift-policies.js';

/** Windows overlap by days: to compare more often says nothing new. */
const COMPARE_EVERY_HOURS = 6;

export type WatchRow = typeof driftWatch.$inferSelect;

/** Where something drifts, and since when at least. */
export interface DriftEpisode {
  readonly tenantId: TenantId;
  readonly siteId: string;
  readonly since: Date;
}

/** Compares what cameras see with how it was when their release was new there. */
@Injectable()
export class DriftWatching {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly distributions: CameraDistributions,
    private readonly policies: DriftPolicies,
    private readonly alerts: Alerts,
  ) {}

  /**
   * Takes every camera of every tenant one step on: a baseline that is being collected, or a comparison that is due. A
   * camera that fails keeps no other waiting.
   *
   * @returns where anything drifts now, site by site
   */
  async pass(signal: AbortSignal): Promise<readonly DriftEpisode[]> {
    const tenants = await this.database.db.select({ id: tenant.id }).from(tenant).orderBy(tenant.id);
    for (const { id: tenantId } of tenants) {
      const policy = await this.policies.of(tenantId);
      const now = hourOf(this.clock.wallMs());
      await this.#watchNew(tenantId, { from: hoursAfter(now, -policy.windowHours), until: now });
      const rows = await this.database.db
        .select({ id: driftWatch.id })
        .from(driftWatch)
        .where(eq(driftWatch.tenantId, tenantId))
        .orderBy(asc(driftWatch.id));
      for (const { id } of rows) {
        signal.throwIfAborted();
        await this.#step(tenantId, id, policy).catch((error: unknown) => {
          this.log.warn({ tenantId, watchId: id, error: errorMessage(error) }, 'a camera could not be compared');
        });
      }
    }
    return this.#episodes();
  }

  async #watchNew(tenantId: TenantId, window: Period): Promise<void> {
    const createdAt = new Date(this.clock.wallMs());
    const seen = await this.distributions.seen(tenantId, window);
    const rows = seen.map(({ first, ...camera }) => ({
      ...{ tenantId, id: randomUUID(), ...camera, createdAt },
      ...{ baselineFrom: first, baselineOrigin: 'first-sightings' as const, baseline: noCounts },
    }));
    await inChunks(rows, (chunk) =>
      this.database.db.insert(driftWatch).values(chunk).onConflictDoNothing().returning({ id: driftWatch.id }),
    );
  }

  #step(tenantId: TenantId, id: string, policy: rest.DriftPolicy): Promise<void> {
    return inTransaction(this.database, async (tx) => {
      const [row] = await tx.select().from(driftWatch).where(isWatch(tenantId, id)).for('update', { skipLocked: true });
      if (row === undefined) return;
      if (row.baselineUntil === null) await this.#collect(tx, row, policy);
      else if (this.#isDue(row)) await this.#compare(tx, row, policy);
    });
  }

  async #collect(tx: Transaction, row: WatchRow, { baselineSightings }: rest.DriftPolicy): Promise<void> {
    const period = { from: row.baselineFrom, until: hourOf(this.clock.wallMs()) };
    const hours = await this.distributions.hours(row.tenantId, row, period);
    const { counts, until } = collectBaseline(hours, baselineSightings);
    await tx.update(driftWatch).set({ baseline: counts, baselineUntil: until }).where(isWatch(row.tenantId, row.id));
  }

  async #episodes(): Promise<readonly DriftEpisode[]> {
    const { tenantId, siteId, driftingSince } = driftWatch;
    const rows = await this.database.db
      .select({ tenantId, siteId, since: min(driftingSince) })
      .from(driftWatch)
      .where(isNotNull(driftingSince))
      .groupBy(tenantId, siteId)
      .orderBy(tenantId, siteId);
    return rows.flatMap(({ since, ...place }) => (since === null ? [] : [{ ...place, since }]));
  }

  #isDue({ comparedAt }: WatchRow): boolean {
    return comparedAt === null || hoursAfter(comparedAt, COMPARE_EVERY_HOURS).getTime() <= this.clock.wallMs();
  }

  async #compare(tx: Transaction, row: WatchRow, policy: rest.DriftPolicy): Promise<void> {
    const period = windowOf(row, policy, this.clock.wallMs());
    if (period.from >= period.until) return;
    const window = await this.distributions.total(row.tenantId, row, period);
    const measures = compareWithBaseline(row.baseline, window, policy);
    const drifted = row.driftingSince !== null;
    const drifting = isDrifting(drifted, window, measures);
    // What nothing was seen of, and is not drifting, leaves no report.
    if (!drifted && sightingsIn(window) === 0) return;
    const comparedAt = new Date(this.clock.wallMs());
    await tx.insert(driftReport).values({
      ...{ tenantId: row.tenantId, id: randomUUID(), watchId: row.id, comparedAt, drifting },
      ...{ windowFrom: period.from, windowUntil: period.until, measures },
    });
    const episode = drifting ? (row.episode ?? randomUUID()) : null;
    const driftingSince = drifting ? (row.driftingSince ?? comparedAt) : null;
    await tx.update(driftWatch).set({ comparedAt, episode, driftingSince }).where(isWatch(row.tenantId, row.id));
    if (drifting === drifted) return;
    await this.tell(tx, row, { episode: episode ?? row.episode ?? '', begins: drifting, measures });
  }

  /** Raises the alert of an episode's begin, or of its end. */
  async tell(
    tx: Transaction,
    { tenantId, siteId, deviceId, cameraId, releaseDigest, variantDigest }: WatchRow,
    told: { readonly episode: string; readonly begins: boolean; readonly measures: readonly rest.DriftMeasure[] },
  ): Promise<void> {
    const { episode, begins, measures } = told;
    const indexes = measures.map(({ measure, index }) => [measure, index] as const);
    await this.alerts.raise(tx, {
      ...{ tenantId, siteId, deviceId, cameraId, kind: 'drift' },
      dedupeKey: `drift/${episode}/${begins ? 'begin' : 'end'}`,
      details: {
        ...{ episode, state: begins ? 'begun' : 'over', releaseDigest, variantDigest },
        ...Object.fromEntries(indexes),
      },
    });
  }
}

export const isWatch = (tenantId: TenantId, id: string) =>
  and(eq(driftWatch.tenantId, tenantId), eq(driftWatch.id, id));

/** The last window: whole hours, and none of the baseline's. */
export function windowOf(
  { baselineUntil, baselineFrom }: Pick<WatchRow, 'baselineFrom' | 'baselineUntil'>,
  { windowHours }: Pick<rest.DriftPolicy, 'windowHours'>,
  nowMs: number,
): Period {
  const until = hourOf(nowMs);
  const from = hoursAfter(until, -windowHours);
  const free = baselineUntil ?? baselineFrom;
  return { from: from > free ? from : free, until };
}
