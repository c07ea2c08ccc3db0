import { type Database, inTransaction } from '@sightline/database';
import type { Clock, PersonId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { applyPermission } from './permissions.js';

const PEOPLE = 200;

/** Lets records begin and end by themselves, and a changed policy reach everybody. */
@Injectable()
export class ConsentExpiry {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** In transactions of a few people; several processes share them out. @returns how many were judged anew */
  async pass(signal: AbortSignal): Promise<number> {
    let judged = 0;
    for (;;) {
      signal.throwIfAborted();
      const people = await this.#some(new Date(this.clock.wallMs()));
      judged += people;
      if (people < PEOPLE) return judged;
    }
  }

  #some(now: Date): Promise<number> {
    return inTransaction(this.database, async (tx) => {
      const { rows } = await tx.execute<{ tenantId: TenantId; id: PersonId }>(sql`
        SELECT tenant_id AS "tenantId", id FROM cloud.person
        WHERE purposes_change_at <= ${now} ORDER BY purposes_change_at, tenant_id, id
        LIMIT ${PEOPLE} FOR UPDATE SKIP LOCKED`);
      const tenants = [...new Set(rows.map(({ tenantId }) => tenantId))].sort();
      for (const tenantId of tenants) {
        const personIds = rows.filter((row) => row.tenantId === tenantId).map(({ id }) => id);
        await applyPermission(tx, { tenantId, personIds, now });
      }
      return rows.length;
    });
  }
}
