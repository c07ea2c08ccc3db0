import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock, DeviceId, KeyId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { count, desc, eq, sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { template, templateKey } from '../storage/schema.js';
import { TemplateKeys } from './template-keys.js';

/** Boxes that are named at most. */
const NAMED = 100;

/** How far the tenants' keys have come. */
@Injectable()
export class TemplateKeyViews {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly templateKeys: TemplateKeys,
  ) {}

  async get(tenantId: TenantId): Promise<rest.TemplateKeys> {
    const current = await this.templateKeys.current(tenantId);
    const { db } = this.database;
    const keys = await db
      .select()
      .from(templateKey)
      .where(eq(templateKey.tenantId, tenantId))
      .orderBy(desc(templateKey.epoch));
    const counts = await db
      .select({ keyId: template.keyId, templates: count() })
      .from(template)
      .where(eq(template.tenantId, tenantId))
      .groupBy(template.keyId);
    return {
      keys: keys.map(({ epoch, keyId, createdAt, supersededAt, retireAt, retiredAt }) => ({
        ...{ epoch, keyId, createdAt: createdAt.toISOString() },
        state: retiredAt !== null ? 'retired' : supersededAt !== null ? 'superseded' : 'current',
        templates: counts.find((row) => row.keyId === keyId)?.templates ?? 0,
        supersededAt: supersededAt?.toISOString() ?? null,
        retireAt: retireAt?.toISOString() ?? null,
        retiredAt: retiredAt?.toISOString() ?? null,
      })),
      devices: await this.#devices(tenantId, current.keyId),
    };
  }

  async #devices(tenantId: TenantId, keyId: KeyId): Promise<rest.TemplateKeys['devices']> {
    const { rows } = await this.database.db.execute<{
      id: DeviceId;
      template_key_id: string | null;
      deliverable: boolean;
      is_current: boolean;
      total: number;
    }>(sql`
      SELECT id, template_key_id, is_current, count(*) OVER (PARTITION BY is_current)::int AS total,
        EXISTS (
          SELECT FROM cloud.device_certificate certificate
          WHERE certificate.tenant_id = box.tenant_id AND certificate.device_id = box.id
            AND revoked_at IS NULL AND not_after > ${new Date(this.clock.wallMs())}
        ) AS deliverable
      FROM (
        SELECT tenant_id, id, template_key_id, template_key_id IS NOT DISTINCT FROM ${keyId} AS is_current
        FROM cloud.device WHERE tenant_id = ${tenantId} AND revoked_at IS NULL AND deleted_at IS NULL
      ) box
      ORDER BY is_current, id LIMIT ${NAMED + 1}`);
    const waiting = rows.filter((row) => !row.is_current);
    const [{ total: others } = { total: 0 }] = waiting;
    const [{ current } = { current: 0 }] = (
      await this.database.db.execute<{ current: number }>(sql`
        SELECT count(*)::int AS current FROM cloud.device
        WHERE tenant_id = ${tenantId} AND revoked_at IS NULL AND deleted_at IS NULL AND template_key_id = ${keyId}`)
    ).rows;
    return {
      ...{ current, others },
      waiting: waiting.slice(0, NAMED).map(({ id, template_key_id, deliverable }) => ({
        ...{ deviceId: id, keyId: template_key_id, deliverable },
      })),
    };
  }
}
