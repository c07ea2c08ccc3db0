import { createPrivateKey, type KeyObject } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import { imageKeyId, newX25519KeyPair, x25519PublicKey } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { imageKey } from '../storage/image-schema.js';
import { unwrapSecret, wrapSecret } from '../template-keys/key-wrapping.js';
import { desireAnew } from './desired-images.js';

/** An old key lives so much longer at least: boxes may have been offline, and their images are younger. */
const RETIRE_MS = 30 * 86_400_000;

type KeyRow = typeof imageKey.$inferSelect;

/** The key pairs that tenants' boxes seal images to. */
@Injectable()
export class ImageKeys {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    private readonly audit: Audit,
  ) {}

  async list(tenantId: TenantId): Promise<rest.ImageKeyList> {
    const rows = await this.database.db
      .select({
        key: imageKey,
        images: sql<number>`(SELECT count(*)::int FROM cloud.sealed_image image
          WHERE image.tenant_id = cloud.image_key.tenant_id AND image.key_id = cloud.image_key.key_id)`,
      })
      .from(imageKey)
      .where(eq(imageKey.tenantId, tenantId))
      .orderBy(desc(imageKey.createdAt), desc(imageKey.keyId));
    return { items: rows.map(({ key, images }) => toImageKey(key, images)) };
  }

  /**
   * Gives the tenant a new key; boxes of sites that keep images are desired to seal to it. What was sealed to an older
   * one stays openable by that until it expires.
   *
   * @throws AppError `SEALED_IMAGE.KEY_IN_USE` for a public key that the tenant has, or had
   */
  async rotate(tenantId: TenantId, { publicKey }: rest.RotateImageKey): Promise<void> {
    const given = publicKey === undefined ? undefined : new Uint8Array(Buffer.from(publicKey, 'base64'));
    await inTransaction(this.database, async (tx) => {
      const now = this.#now();
      const row = this.#newKey(tenantId, given, now);
      await tx
        .update(imageKey)
        .set({ supersededAt: now })
        .where(and(eq(imageKey.tenantId, tenantId), isNull(imageKey.supersededAt)));
      const inserted = await tx.insert(imageKey).values(row).onConflictDoNothing().returning({ id: imageKey.keyId });
      if (inserted.length === 0) {
        throw new AppError('SEALED_IMAGE.KEY_IN_USE', 'The tenant has, or had, this key already, or is given another.');
      }
      await desireAnew(tx, { tenantId, now });
      const subject = { kind: 'image-key', id: row.keyId };
      await this.audit.record(tx, { tenantId, action: 'image-key.rotate', subject });
    });
  }

  /** Sees to it that the tenant has a key. */
  async ensure(tx: Transaction, tenantId: TenantId): Promise<void> {
    const [current] = await tx
      .select({ keyId: imageKey.keyId })
      .from(imageKey)
      .where(and(eq(imageKey.tenantId, tenantId), isNull(imageKey.supersededAt)));
    if (current === undefined) {
      await tx
        .insert(imageKey)
        .values(this.#newKey(tenantId, undefined, this.#now()))
        .onConflictDoNothing();
    }
  }

  /** Undefined for a key that the tenant never had, or that is retired: nothing under it is taken. */
  async find(tenantId: TenantId, keyId: string): Promise<KeyRow | undefined> {
    const [row] = await this.database.db
      .select()
      .from(imageKey)
      .where(and(eq(imageKey.tenantId, tenantId), eq(imageKey.keyId, keyId), isNull(imageKey.retiredAt)));
    return row;
  }

  /** The private half; undefined where the tenant keeps it elsewhere. */
  privateKey({ tenantId, keyId, wrappedPrivateKey }: KeyRow): KeyObject | undefined {
    if (wrappedPrivateKey === null) return undefined;
    const key = unwrapSecret(wrappedPrivateKey, this.config.keyEncryptionKey, nameOf(tenantId, keyId));
    return createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });
  }

  /** Destroys the private halves of old keys that no image is under any more. @returns how many */
  async retire(): Promise<number> {
    const now = this.#now();
    const { rowCount } = await this.database.db.execute(sql`
      UPDATE cloud.image_key own SET wrapped_private_key = NULL, retired_at = ${now.toISOString()}::timestamptz
      WHERE superseded_at < ${new Date(now.getTime() - RETIRE_MS).toISOString()}::timestamptz AND retired_at IS NULL
        AND NOT EXISTS (SELECT FROM cloud.sealed_image image
          WHERE image.tenant_id = own.tenant_id AND image.key_id = own.key_id)`);
    return rowCount ?? 0;
  }

  #newKey(tenantId: TenantId, given: Uint8Array | undefined, createdAt: Date): typeof imageKey.$inferInsert {
    if (given !== undefined) {
      x25519PublicKey(given);
      return { tenantId, keyId: imageKeyId(given), publicKey: given, isExternal: true, createdAt };
    }
    const { publicKey, privateKey } = newX25519KeyPair();
    const keyId = imageKeyId(publicKey);
    const wrappedPrivateKey = wrapSecret(privateKey, this.config.keyEncryptionKey, nameOf(tenantId, keyId));
    return { tenantId, keyId, publicKey, wrappedPrivateKey, isExternal: false, createdAt };
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const nameOf = (tenantId: TenantId, keyId: string): string => `image-key/${tenantId}/${keyId}`;

function toImageKey(row: KeyRow, images: number): rest.ImageKey {
  const { keyId, publicKey, isExternal: external, supersededAt, retiredAt } = row;
  const age = supersededAt === null ? 'current' : 'superseded';
  return {
    ...{ keyId, publicKey: Buffer.from(publicKey).toString('base64'), external, images },
    state: retiredAt === null ? age : 'retired',
    createdAt: row.createdAt.toISOString(),
    supersededAt: supersededAt?.toISOString() ?? null,
  };
}
