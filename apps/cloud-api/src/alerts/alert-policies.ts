import type { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import type { Clock, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { alertPolicy } from '../storage/alert-schema.js';
import { defaultAlertPolicy } from './watch-list-rules.js';

/** How tenants are alerted of people on watch-lists. */
@Injectable()
export class AlertPolicies {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  async get(tenantId: TenantId): Promise<rest.AlertPolicy> {
    const { cooldownSeconds, cooldownPlace, lateAfterSeconds, maximumAgeSeconds } = alertPolicy;
    const [row] = await this.database.db
      .select({ cooldownSeconds, cooldownPlace, lateAfterSeconds, maximumAgeSeconds })
      .from(alertPolicy)
      .where(eq(alertPolicy.tenantId, tenantId));
    return row ?? defaultAlertPolicy;
  }

  async put(tenantId: TenantId, policy: rest.AlertPolicy): Promise<rest.AlertPolicy> {
    const row = { ...policy, changedAt: new Date(this.clock.wallMs()) };
    await inTransaction(this.database, async (tx) => {
      await tx
        .insert(alertPolicy)
        .values({ tenantId, ...row })
        .onConflictDoUpdate({ target: alertPolicy.tenantId, set: row });
      await this.audit.record(tx, { tenantId, action: 'alert-policy.change' });
    });
    return policy;
  }
}
