import { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import type { Clock, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { driftPolicy } from '../storage/drift-schema.js';

/** How the tenants watch for drift. */
@Injectable()
export class DriftPolicies {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  async of(tenantId: TenantId): Promise<rest.DriftPolicy> {
    const [row] = await this.database.db.select().from(driftPolicy).where(eq(driftPolicy.tenantId, tenantId));
    return { ...(row?.policy ?? rest.putDriftPolicySchema.parse({})), changedAt: row?.changedAt.toISOString() ?? null };
  }

  /** Replaces a tenant's policy. */
  async replace(tenantId: TenantId, policy: rest.CheckedDriftPolicy): Promise<rest.DriftPolicy> {
    const changed = { policy, changedAt: new Date(this.clock.wallMs()) };
    await inTransaction(this.database, async (tx) => {
      await tx
        .insert(driftPolicy)
        .values({ tenantId, ...changed })
        .onConflictDoUpdate({ target: driftPolicy.tenantId, set: changed });
      await this.audit.record(tx, { tenantId, action: 'drift-policy.change' });
    });
    return this.of(tenantId);
  }
}
