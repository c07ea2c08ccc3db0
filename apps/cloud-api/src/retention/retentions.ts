import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import type { Clock, Logger, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { FiguresRetention } from '../analytics/figures-retention.js';
import { Audit } from '../audit/audit.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { retention } from '../storage/privacy-schema.js';
import { tenant } from '../storage/access-schema.js';
import { countExpired, expireSome, ROWS } from './expired-rows.js';
import { expiryOf, retentionOf, type KeptFor } from './retention-policy.js';

/** How long tenants keep what, and the deletion of what has expired. */
@Injectable()
export class Retentions {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly audit: Audit,
    private readonly figures: FiguresRetention,
  ) {}

  async get(tenantId: TenantId): Promise<rest.Retention> {
    return { kinds: [...(await this.#read(tenantId))] };
  }

  /** Changes what is given; the next job obeys it. */
  async change(tenantId: TenantId, changes: rest.ChangeRetention): Promise<rest.Retention> {
    const changedAt = this.#now();
    await inTransaction(this.database, async (tx) => {
      for (const [kind, days] of Object.entries(changes)) {
        await tx
          .insert(retention)
          .values({ tenantId, kind, days, changedAt })
          .onConflictDoUpdate({ target: [retention.tenantId, retention.kind], set: { days, changedAt } });
      }
      await this.audit.record(tx, { tenantId, action: 'retention.change' });
    });
    return this.get(tenantId);
  }

  /** A dry run: what the job would delete now, with the changes that are given, which are not stored. */
  async preview(tenantId: TenantId, changes: rest.ChangeRetention): Promise<rest.RetentionPreview> {
    const now = this.#now();
    const given = new Map(Object.entries(changes));
    const kinds = [];
    for (const { kind, days: stored } of await this.#read(tenantId)) {
      const changed = given.get(kind);
      const days = changed === undefined ? stored : changed;
      const before = expiryOf({ days }, now);
      kinds.push({ kind, days, rows: before ? await countExpired(this.database, kind, { tenantId, before }) : 0 });
    }
    return { kinds };
  }

  /** Deletes what has expired, some rows at a time; what is left when it is stopped, the next pass finds. */
  async pass(signal: AbortSignal): Promise<void> {
    const now = this.#now();
    const tenants = await this.database.db.select({ id: tenant.id }).from(tenant).orderBy(tenant.id);
    for (const { id: tenantId } of tenants) {
      for (const kept of await this.#read(tenantId)) {
        const before = expiryOf(kept, now);
        if (before === undefined) continue;
        await this.figures.beforeExpiry(kept.kind, { tenantId, before }, signal);
        let rows = 0;
        let some: number;
        do {
          signal.throwIfAborted();
          some = await expireSome(this.database, kept.kind, { tenantId, before });
          rows += some;
        } while (some === ROWS);
        if (rows > 0) this.log.info({ tenantId, kind: kept.kind, rows }, 'what had expired is deleted');
      }
    }
  }

  async #read(tenantId: TenantId): Promise<readonly KeptFor[]> {
    const rows = await this.database.db
      .select({ kind: retention.kind, days: retention.days })
      .from(retention)
      .where(eq(retention.tenantId, tenantId));
    return retentionOf(new Map(rows.map(({ kind, days }) => [kind, days])));
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}
