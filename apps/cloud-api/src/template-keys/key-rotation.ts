import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, type Clock, type KeyId, type Logger, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, gt, isNotNull, isNull, lte, notExists, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { openTemplates, type TemplateRow } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { device, template, templateKey } from '../storage/schema.js';
import { TemplateKeys } from './template-keys.js';

/** Keys of a tenant that may live at once: each more is another search for each probe. */
const LIVE_KEYS = 4;
/** Templates that one transaction takes to the current key: some 60 ms of this process at 512 components. */
const BATCH = 500;
const HOUR_MS = 3_600_000;
/** No key is destroyed sooner: a photo that is being enrolled under it, say, is stored first. */
const SETTLING_MS = 600_000;

/** An old key that still lives. */
interface OldKey {
  readonly tenantId: TenantId;
  readonly epoch: number;
  readonly keyId: KeyId;
}

/**
 * The rotation of template keys, without photos: v₂ = K₂·K₁ᵀ·v₁.
 *
 * Invariants: a template is under one live key at any time, and every search asks all live keys, so that nobody is
 * missed or found twice while templates move. A secret is destroyed only when no template is under its key. Each step
 * is one transaction, and may be done again.
 */
@Injectable()
export class KeyRotation {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly templateKeys: TemplateKeys,
    private readonly personalData: PersonalData,
    private readonly audit: Audit,
  ) {}

  /**
   * Gives the tenant a new key. Boxes are desired to take it; templates follow in the background.
   *
   * @throws AppError `TEMPLATE_KEY.TOO_MANY` while as many as four live
   */
  async rotate(tenantId: TenantId, { retireAfterHours }: rest.RotateTemplateKey): Promise<void> {
    await this.templateKeys.current(tenantId);
    const now = new Date(this.clock.wallMs());
    await inTransaction(this.database, async (tx) => {
      // Whoever rotates at the same time waits here, and then sees the new key.
      const live = await tx
        .select({ epoch: templateKey.epoch, supersededAt: templateKey.supersededAt })
        .from(templateKey)
        .where(and(eq(templateKey.tenantId, tenantId), isNull(templateKey.retiredAt)))
        .orderBy(desc(templateKey.epoch))
        .for('update');
      if (live.length >= LIVE_KEYS) {
        throw new AppError('TEMPLATE_KEY.TOO_MANY', `There are ${LIVE_KEYS} keys in use: wait until one is retired.`);
      }
      const { epoch, keyId, wrappedSecret } = this.templateKeys.next({ tenantId, epoch: live[0]?.epoch ?? 0 });
      await tx
        .update(templateKey)
        .set({
          supersededAt: now,
          retireAt: new Date(now.getTime() + Math.max(SETTLING_MS, retireAfterHours * HOUR_MS)),
        })
        .where(and(eq(templateKey.tenantId, tenantId), isNull(templateKey.supersededAt)));
      await tx.insert(templateKey).values({ tenantId, epoch, keyId, wrappedSecret, createdAt: now });
      await tx
        .update(device)
        .set({ configVersion: sql`${device.configVersion} + 1`, configChangedAt: now })
        .where(and(eq(device.tenantId, tenantId), isNull(device.revokedAt)));
      await tellOthers(tx, tenantId);
      const subject = { kind: 'template-key', id: keyId };
      await this.audit.record(tx, { tenantId, action: 'template-key.rotate', subject });
    });
    this.templateKeys.forget(tenantId);
  }

  /** Takes templates to the current keys, then destroys the old keys whose time is over. */
  async advance(signal: AbortSignal): Promise<void> {
    const old = await this.database.db
      .select({ tenantId: templateKey.tenantId, epoch: templateKey.epoch, keyId: templateKey.keyId })
      .from(templateKey)
      .where(and(isNotNull(templateKey.supersededAt), isNull(templateKey.retiredAt)))
      .orderBy(asc(templateKey.tenantId), asc(templateKey.epoch));
    for (const key of old) {
      const moved = await this.#moveAll(key, signal);
      if (moved > 0) this.log.info({ ...key, templates: moved }, 'templates were taken to the current key');
      await this.#retire(key);
    }
  }

  async #moveAll(key: OldKey, signal: AbortSignal): Promise<number> {
    const to = await this.templateKeys.current(key.tenantId);
    let moved = 0;
    let after: TemplateRow | undefined;
    do {
      signal.throwIfAborted();
      const batch = await inTransaction(this.database, (tx) => this.#moveSome(tx, key, { to: to.keyId, after }));
      moved += batch.moved;
      after = batch.last;
    } while (after !== undefined);
    return moved;
  }

  async #moveSome(
    tx: Transaction,
    { tenantId, keyId }: OldKey,
    { to, after }: { readonly to: KeyId; readonly after: TemplateRow | undefined },
  ): Promise<{ readonly moved: number; readonly last: TemplateRow | undefined }> {
    const rows = await tx
      .select()
      .from(template)
      .where(and(isUnder(tenantId, keyId), after && gt(template.id, after.id)))
      .orderBy(asc(template.id))
      .limit(BATCH)
      .for('update', { skipLocked: true });
    const opened = await openTemplates(this.personalData, rows);
    const readable = rows.filter((_, index) => opened[index] !== undefined);
    const taken = await Promise.all(
      opened.flatMap((found) => (found === undefined ? [] : [this.templateKeys.under(to, tenantId, found)])),
    );
    const sealed = await this.personalData.sealTemplates(
      readable.map(({ id, personId }, index) => ({
        ...{ tenantId, id, personId, codec: taken[index]?.codec, scale: taken[index]?.scale },
        data: taken[index]?.data ?? new Uint8Array(0),
      })),
    );
    for (const { id, codec, scale, sealed: bytes } of sealed) {
      await tx
        .update(template)
        .set({ keyId: to, codec, scale, sealed: bytes })
        .where(and(eq(template.tenantId, tenantId), eq(template.id, id)));
    }
    const changes = sealed.map(({ id }) => ({ tenantId, kind: 'upsert' as const, templateId: id }));
    if (changes.length > 0) await recordGalleryChanges(tx, changes, new Date(this.clock.wallMs()));
    return { moved: sealed.length, last: rows.length < BATCH ? undefined : rows.at(-1) };
  }

  /** Nothing is left under a key that is destroyed, unless nobody could read it anyway. */
  async #retire({ tenantId, epoch, keyId }: OldKey): Promise<void> {
    const now = new Date(this.clock.wallMs());
    const retired = await inTransaction(this.database, async (tx) => {
      const left = tx.select({ id: template.id }).from(template).where(isUnder(tenantId, keyId));
      const { rowCount } = await tx
        .update(templateKey)
        .set({ wrappedSecret: null, retiredAt: now })
        .where(
          and(
            ...[eq(templateKey.tenantId, tenantId), eq(templateKey.epoch, epoch), isNull(templateKey.retiredAt)],
            ...[lte(templateKey.retireAt, now), notExists(left)],
          ),
        );
      if (rowCount !== 1) return false;
      await tellOthers(tx, tenantId);
      const subject = { kind: 'template-key', id: keyId };
      await this.audit.record(tx, {
        ...{ tenantId, action: 'template-key.retire', subject, actor: 'system:template-keys' },
      });
      return true;
    });
    if (retired) this.templateKeys.forget(tenantId);
  }
}

const isUnder = (tenantId: TenantId, keyId: KeyId) => and(eq(template.tenantId, tenantId), eq(template.keyId, keyId));

async function tellOthers(tx: Transaction, tenantId: TenantId): Promise<void> {
  await tx.execute(sql`SELECT pg_notify('cloud_template_keys', ${tenantId})`);
}
