import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock, KeyId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, count, desc, eq, isNull, sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { device, template, templateKey } from '../storage/schema.js';
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
    const { db } = this.database;
    const [counts] = await db
      .select({
        current: sql<number>`count(*) FILTER (WHERE ${device.templateKeyId} = ${keyId})`.mapWith(Number),
        all: count(),
      })
      .from(device)
      .where(isInUse(tenantId));
    const { current, all } = counts ?? { current: 0, all: 0 };
    const waiting = await db
      .select({
        deviceId: device.id,
        keyId: device.templateKeyId,
        deliverable: sql<boolean>`EXISTS (
          SELECT FROM cloud.device_certificate certificate
          WHERE certificate.tenant_id = cloud.device.tenant_id AND certificate.device_id = cloud.device.id
            AND certificate.revoked_at IS NULL AND certificate.not_after > ${new Date(this.clock.wallMs())}
        )`,
      })
      .from(device)
      .where(and(isInUse(tenantId), sql`${device.templateKeyId} IS DISTINCT FROM ${keyId}`))
      .orderBy(asc(device.id))
      .limit(NAMED);
    return { current, others: all - current, waiting };
  }
}

const isInUse = (tenantId: TenantId) =>
  and(eq(device.tenantId, tenantId), isNull(device.revokedAt), isNull(device.deletedAt));
