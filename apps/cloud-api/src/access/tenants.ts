import type { rest } from '@sightline/contracts';
import { inTransaction, isUniqueViolation, type Database } from '@sightline/database';
import { AppError, isSlug, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { desc, eq, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { tenant } from '../storage/access-schema.js';
import { ApiKeys } from './api-keys.js';

type TenantRow = typeof tenant.$inferSelect;

/** Who acts with the platform's own key, as the audit of the tenant calls it. */
const PLATFORM = 'platform';

/** The tenants of this installation. */
@Injectable()
export class Tenants {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly apiKeys: ApiKeys,
    private readonly audit: Audit,
  ) {}

  /**
   * Adds a tenant with a first admin's key.
   *
   * @throws AppError `TENANT.ALREADY_EXISTS`
   */
  async create({ id, label = '' }: rest.CreateTenant): Promise<rest.NewTenant> {
    const tenantId = id as TenantId;
    const row: TenantRow = { id: tenantId, label, createdAt: new Date(this.clock.wallMs()), suspendedAt: null };
    try {
      return await inTransaction(this.database, async (tx) => {
        await tx.insert(tenant).values(row);
        const adminKey = await this.apiKeys.insert(tx, tenantId, { label: 'first admin', role: 'admin' });
        const subject = { kind: 'api-key', id: adminKey.key.id };
        await this.audit.record(tx, { tenantId, actor: PLATFORM, action: 'tenant.create', subject });
        return { tenant: toTenant(row), adminKey };
      });
    } catch (error) {
      if (!isUniqueViolation(error, 'tenant_pkey')) throw error;
      throw new AppError('TENANT.ALREADY_EXISTS', 'A tenant with this id exists.', { cause: error });
    }
  }

  /** Newest first. */
  async list({ limit, cursor }: PageQuery): Promise<rest.TenantPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug);
    const rows = await this.database.db
      .select()
      .from(tenant)
      .where(
        after && sql`(${tenant.createdAt}, ${tenant.id}) < (${after.time.toISOString()}::timestamptz, ${after.id})`,
      )
      .orderBy(desc(tenant.createdAt), desc(tenant.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toTenant, cursor: ({ createdAt, id }) => ({ time: createdAt, id }) });
  }

  /**
   * Suspends a tenant, or lets it in again.
   *
   * @throws AppError `TENANT.NOT_FOUND`
   */
  async change(tenantId: TenantId, { suspended }: rest.ChangeTenant): Promise<rest.Tenant> {
    return inTransaction(this.database, async (tx) => {
      const now = new Date(this.clock.wallMs());
      const [row] = await tx
        .update(tenant)
        .set({ suspendedAt: suspended ? sql`coalesce(${tenant.suspendedAt}, ${now})` : null })
        .where(eq(tenant.id, tenantId))
        .returning();
      if (row === undefined) throw new AppError('TENANT.NOT_FOUND', 'There is no tenant with this id.');
      const action = suspended ? 'tenant.suspend' : 'tenant.resume';
      await this.audit.record(tx, { tenantId, actor: PLATFORM, action });
      return toTenant(row);
    });
  }

  /**
   * Makes sure that a tenant is there and let in, of which a token speaks.
   *
   * @returns whether it is there
   * @throws AppError `ACCESS.TENANT_SUSPENDED`
   */
  async isOpen(tenantId: TenantId): Promise<boolean> {
    const [row] = await this.database.db
      .select({ suspendedAt: tenant.suspendedAt })
      .from(tenant)
      .where(eq(tenant.id, tenantId));
    if (row === undefined) return false;
    if (row.suspendedAt !== null) throw new AppError('ACCESS.TENANT_SUSPENDED', 'The tenant is suspended.');
    return true;
  }
}

function toTenant({ id, label, createdAt, suspendedAt }: TenantRow): rest.Tenant {
  return { id, label, createdAt: createdAt.toISOString(), suspendedAt: suspendedAt?.toISOString() ?? null };
}
