import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gte, isNull, lte, sql } from 'drizzle-orm';

import { GallerySigningKeys } from '../edge-caches/gallery-signing-keys.js';
import { GalleryFollowers } from '../identification/gallery-followers.js';
import { ImageUpkeep } from '../images/image-upkeep.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { erasure } from '../storage/edge-cache-schema.js';
import { erasureGallery } from '../storage/privacy-schema.js';
import { galleryChange } from '../storage/schema.js';
import { canonicalJson, isConfirmed, statementOf, type ErasureFacts } from './erasure-proof.js';
import { devicesOf, galleriesOf, isErasure, partsOf, type ErasureKey, type ErasureRow } from './erasure-rows.js';

/** Erasures that one pass takes up. */
const PAGE = 500;

/**
 * What follows once the rows of a person are gone. Each step is written down when it is done and may be repeated, so
 * that whichever process comes next goes on, whenever the one before died:
 *
 * 1. the key is destroyed;
 * 2. each gallery that held the templates has followed their removal, or is gone itself;
 * 3. each box has sent its receipt (`EdgeCaches` writes them down);
 * 4. the proof is signed and kept, and whose erasure it was is forgotten.
 */
@Injectable()
export class ErasureSteps {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly personalData: PersonalData,
    private readonly galleries: GalleryFollowers,
    private readonly signingKeys: GallerySigningKeys,
    private readonly images: ImageUpkeep,
  ) {}

  /** Takes every open erasure as far as it goes now; one that fails keeps no other waiting. */
  async advanceAll(signal: AbortSignal): Promise<void> {
    const { rows } = await this.database.db.execute<ErasureKey & Record<string, unknown>>(sql`
      SELECT tenant_id AS "tenantId", id FROM cloud.erasure open
      WHERE completed_at IS NULL AND (key_destroyed_at IS NULL OR NOT EXISTS (
        SELECT FROM cloud.edge_cache_erasure box
        WHERE box.tenant_id = open.tenant_id AND box.erasure_id = open.id AND box.confirmed_at IS NULL))
      ORDER BY part_of IS NULL, erased_at LIMIT ${PAGE}`);
    for (const key of rows) {
      signal.throwIfAborted();
      await this.advance(key).catch((error: unknown) => {
        this.log.warn(
          { erasureId: key.id, error: errorMessage(error) },
          'an erasure could not go on; it is tried again',
        );
      });
    }
  }

  /** Takes one erasure as far as it goes now. */
  async advance(key: ErasureKey): Promise<void> {
    await this.destroyKey(key);
    // No proof is signed while a file is left.
    await this.images.removeFiles();
    await this.askGalleries(key);
    await this.complete(key);
  }

  async destroyKey(key: ErasureKey): Promise<void> {
    const [row] = await this.database.db
      .select({ personId: erasure.personId })
      .from(erasure)
      .where(and(isErasure(key), isNull(erasure.keyDestroyedAt)));
    if (row?.personId == null) return;
    await this.personalData.destroyKey({ tenantId: key.tenantId, personId: row.personId });
    await this.database.db
      .update(erasure)
      .set({ keyDestroyedAt: this.#now() })
      .where(and(isErasure(key), isNull(erasure.keyDestroyedAt)));
  }

  /** Notes every gallery that may hold the templates, and which of them have followed their removal. */
  async askGalleries(key: ErasureKey): Promise<void> {
    const { db } = this.database;
    const [row] = await db.select().from(erasure).where(isErasure(key));
    const feedLast = row?.feedLast ?? null;
    if (feedLast === null) return;
    const noted = await galleriesOf(db, key);
    const known = await this.galleries.list();
    const behind = new Set(known.filter(({ version }) => version < feedLast).map(({ id }) => id));
    // One that comes later and is not behind has never held them.
    const fresh = known.filter(({ id }) => noted.length === 0 || behind.has(id));
    if (fresh.length > 0) {
      const rows = fresh.map(({ id, kind }) => ({
        ...{ tenantId: key.tenantId, erasureId: key.id },
        galleryId: id,
        kind,
      }));
      await db.insert(erasureGallery).values(rows).onConflictDoNothing();
    }
    const present = new Set(known.map(({ id }) => id));
    for (const { galleryId, confirmedAt } of await galleriesOf(db, key)) {
      if (confirmedAt !== null || behind.has(galleryId)) continue;
      await this.#confirmGallery(key, galleryId, present.has(galleryId) ? 'passed' : 'gone');
    }
  }

  async #confirmGallery({ tenantId, id }: ErasureKey, galleryId: string, outcome: 'passed' | 'gone'): Promise<void> {
    const isGallery = and(
      eq(erasureGallery.tenantId, tenantId),
      eq(erasureGallery.erasureId, id),
      eq(erasureGallery.galleryId, galleryId),
    );
    await this.database.db
      .update(erasureGallery)
      .set({ outcome, confirmedAt: this.#now() })
      .where(and(isGallery, isNull(erasureGallery.confirmedAt)));
  }

  /** Signs and keeps the proof once everybody has confirmed, and forgets in the same transaction whom it was about. */
  async complete(key: ErasureKey): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const [row] = await tx.select().from(erasure).where(isErasure(key)).for('update', { skipLocked: true });
      if (row?.completedAt !== null) return;
      const facts = await this.#facts(tx, row);
      if (!isConfirmed(facts)) return;
      const completedAt = this.#now();
      const proof = JSON.stringify(await this.signed(statementOf(facts, completedAt)));
      // The feed's removals name templates of which a backup knows whose they were.
      if (row.feedFirst !== null && row.feedLast !== null) {
        await tx
          .delete(galleryChange)
          .where(and(gte(galleryChange.version, row.feedFirst), lte(galleryChange.version, row.feedLast)));
      }
      await tx
        .update(erasure)
        .set({ personId: null, feedFirst: null, feedLast: null, completedAt, proof })
        .where(isErasure(key));
      this.log.info({ tenantId: key.tenantId, erasureId: key.id }, 'an erasure is complete');
    });
  }

  async statement(
    db: Transaction | Database['db'],
    row: ErasureRow,
    completedAt: Date | null,
  ): Promise<rest.ErasureStatement> {
    return statementOf(await this.#facts(db, row), completedAt);
  }

  async signed(statement: rest.ErasureStatement): Promise<rest.ErasureProof> {
    const { publicKey } = await this.signingKeys.current();
    const { signature, signingKeyId } = await this.signingKeys.sign(Buffer.from(canonicalJson(statement), 'utf8'));
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    return {
      ...statement,
      signature: {
        ...{ algorithm: 'Ed25519', keyId: signingKeyId },
        ...{ publicKey: base64(publicKey), value: base64(signature) },
      },
    };
  }

  async #facts(db: Transaction | Database['db'], row: ErasureRow): Promise<ErasureFacts> {
    return {
      erasure: row,
      keyStore: this.personalData.keyStore,
      galleries: await galleriesOf(db, row),
      devices: await devicesOf(db, row),
      parts: await partsOf(db, row),
    };
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}
