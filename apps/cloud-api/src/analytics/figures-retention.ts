import type { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';
import { lockTenant, RollUps } from './roll-ups.js';

/** Rows of one statement: it holds its locks for milliseconds. */
const ROWS = 1000;

/** What of a tenant's sightings, or of whom they were, is about to expire. */
interface Expiring {
  readonly tenantId: TenantId;
  readonly before: Date;
}

/** Figures outlive the sightings that they count; whom they were of does not. */
@Injectable()
export class FiguresRetention {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly rollUps: RollUps,
  ) {}

  /** To be called before rows of a kind are deleted. */
  async beforeExpiry(kind: rest.RetentionKind, expiring: Expiring, signal: AbortSignal): Promise<void> {
    if (kind === 'sightings') await this.#close(expiring, signal);
    if (kind === 'sightings' || kind === 'identifications') await this.#forgetPeople(expiring, signal);
  }

  /** Counts what is not counted yet; from then on no hour before is counted lower. Waits for a run under way. */
  async #close({ tenantId, before }: Expiring, signal: AbortSignal): Promise<void> {
    await this.rollUps.passTenant(tenantId, signal);
    await inTransaction(this.database, async (tx) => {
      await lockTenant(tx, tenantId);
      await tx.execute(sql`
        UPDATE cloud.analytics_state SET closed_before = greatest(closed_before, ${before})
        WHERE tenant_id = ${tenantId}`);
    });
  }

  /** Deletes who was seen on days that have expired as a whole. */
  async #forgetPeople({ tenantId, before }: Expiring, signal: AbortSignal): Promise<void> {
    let some: number;
    do {
      signal.throwIfAborted();
      const { rowCount } = await this.database.db.execute(sql`
        DELETE FROM cloud.analytics_person_day WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM cloud.analytics_person_day
          WHERE tenant_id = ${tenantId} AND day <= ${before}::timestamptz - interval '1 day'
          ORDER BY day LIMIT ${ROWS} FOR UPDATE SKIP LOCKED))`);
      some = rowCount ?? 0;
    } while (some === ROWS);
    await this.database.db.execute(sql`
      DELETE FROM cloud.analytics_people_day
      WHERE tenant_id = ${tenantId} AND day <= ${before}::timestamptz - interval '1 day'`);
  }
}
