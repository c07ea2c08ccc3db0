import { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { retrainingPolicy } from '../storage/retraining-schema.js';

/** Where the tenants have the retraining loop on, and what it aims at. */
@Injectable()
export class RetrainingPolicies {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  async of(tenantId: TenantId): Promise<rest.Retraining> {
    const [row] = await this.database.db.select().from(retrainingPolicy).where(eq(retrainingPolicy.tenantId, tenantId));
    const policy = row?.policy ?? rest.putRetrainingSchema.parse({});
    return { ...policy, changedAt: row?.changedAt.toISOString() ?? null };
  }

  async replace(tenantId: TenantId, policy: rest.CheckedRetraining): Promise<rest.Retraining> {
    const changed = { policy, changedAt: new Date(this.clock.wallMs()) };
    await inTransaction(this.database, async (tx) => {
      await tx
        .insert(retrainingPolicy)
        .values({ tenantId, ...changed })
        .onConflictDoUpdate({ target: retrainingPolicy.tenantId, set: changed });
      await this.audit.record(tx, { tenantId, action: 'retraining.change' });
    });
    return this.of(tenantId);
  }

  /** @throws AppError `RETRAINING.SITE_OFF` unless the loop is on at each of the sites */
  async assertOn(tenantId: TenantId, sites: readonly string[]): Promise<void> {
    const on = new Set((await this.of(tenantId)).sites);
    const off = sites.filter((site) => !on.has(site));
    if (off.length === 0) return;
    throw new AppError('RETRAINING.SITE_OFF', 'The retraining loop is off at one of the sites.', {
      details: { sites: off },
    });
  }
}
