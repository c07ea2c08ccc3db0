import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { driftWatch } from '../storage/drift-schema.js';
import { CameraDistributions, noCounts, sightingsIn } from './camera-distributions.js';
import { hourOf, hoursAfter } from './drift-comparison.js';
import { DriftPolicies } from './drift-policies.js';
import { DriftViews } from './drift-views.js';
import { DriftWatching, isWatch, type WatchRow } from './drift-watching.js';

type NewBaseline = Pick<WatchRow, 'baseline' | 'baselineFrom' | 'baselineUntil' | 'baselineOrigin'>;

/** What somebody takes for normal from now on. */
@Injectable()
export class DriftBaselines {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly distributions: CameraDistributions,
    private readonly policies: DriftPolicies,
    private readonly watching: DriftWatching,
    private readonly views: DriftViews,
    private readonly audit: Audit,
  ) {}

  /**
   * Sets the baselines of what a camera runs now, and ends its episodes. What it ran before keeps its own.
   *
   * @throws AppError `DRIFT.NOT_WATCHED`, `DRIFT.TOO_FEW_SIGHTINGS` when the present has fewer than a comparison needs
   */
  async set(tenantId: TenantId, asked: rest.SetDriftBaseline): Promise<rest.DriftBaselines> {
    const policy = await this.policies.of(tenantId);
    const changed = await inTransaction(this.database, async (tx) => {
      const rows = await lockCamera(tx, tenantId, asked);
      if (rows.length === 0) throw new AppError('DRIFT.NOT_WATCHED', 'Nothing is watched of this camera.');
      const set: WatchRow[] = [];
      for (const row of rows) {
        const baseline = await this.#baseline(row, asked, policy);
        if (baseline !== undefined) set.push(await this.#store(tx, row, baseline));
      }
      if (set.length === 0) {
        const message = `The last window has fewer than ${policy.minimumSightings} sightings.`;
        throw new AppError('DRIFT.TOO_FEW_SIGHTINGS', message, { details: { wanted: policy.minimumSightings } });
      }
      const subject = { kind: 'device', id: asked.deviceId };
      await this.audit.record(tx, { tenantId, action: `drift-baseline.${asked.from}`, subject });
      return set;
    });
    return { watches: await this.views.show(changed) };
  }

  async #baseline(
    row: WatchRow,
    { from }: rest.SetDriftBaseline,
    policy: rest.DriftPolicy,
  ): Promise<NewBaseline | undefined> {
    const now = hourOf(this.clock.wallMs());
    const period = { from: hoursAfter(now, -policy.windowHours), until: now };
    const counts = await this.distributions.total(row.tenantId, row, period);
    if (from === 'now-on') {
      return { baseline: noCounts, baselineFrom: now, baselineUntil: null, baselineOrigin: 'collected-anew' };
    }
    if (sightingsIn(counts) < policy.minimumSightings) return undefined;
    return { baseline: counts, baselineFrom: period.from, baselineUntil: now, baselineOrigin: 'accepted' };
  }

  async #store(tx: Transaction, row: WatchRow, baseline: NewBaseline): Promise<WatchRow> {
    const changed = { ...baseline, comparedAt: null, driftingSince: null, episode: null };
    await tx.update(driftWatch).set(changed).where(isWatch(row.tenantId, row.id));
    if (row.episode !== null) await this.watching.tell(tx, row, { episode: row.episode, begins: false, measures: [] });
    return { ...row, ...changed };
  }
}

/** What is watched of a camera by the release that it was watched with first last: older ones are history. */
async function lockCamera(
  tx: Transaction,
  tenantId: TenantId,
  { deviceId, cameraId }: rest.SetDriftBaseline,
): Promise<readonly WatchRow[]> {
  const ofCamera = and(
    eq(driftWatch.tenantId, tenantId),
    sql`${driftWatch.deviceId} = ${deviceId}`,
    eq(driftWatch.cameraId, cameraId),
  );
  const newest = sql`${driftWatch.releaseDigest} = (
    SELECT release_digest FROM cloud.drift_watch
    WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND camera_id = ${cameraId}
    ORDER BY created_at DESC, id DESC LIMIT 1)`;
  return tx.select().from(driftWatch).where(and(ofCamera, newest)).orderBy(asc(driftWatch.id)).for('update');
}
