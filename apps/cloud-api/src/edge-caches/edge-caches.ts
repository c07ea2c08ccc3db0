import { randomUUID } from 'node:crypto';

import type { DeviceAddress, DeviceBirth, GalleryReceipt } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { backoffMs, isUuid, type Clock, type KeyId, type Logger, type SpaceId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray, isNotNull, isNull, lte, sql } from 'drizzle-orm';

import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { edgeCache, edgeCacheErasure, edgeCachePerson } from '../storage/edge-cache-schema.js';
import type { EdgeCacheRow } from './cache-step.js';
import { judgeBirth, judgeReceipt } from './cache-verdicts.js';
import { notifyEdgeCaches } from './erasures.js';

/** A cache that a box's answers make begin anew waits so long: a box that refuses everything is not flooded. */
const BEGIN_AGAIN = { baseMs: 2000, capMs: 600_000 };

/** What a cache begins with. */
interface Beginning {
  readonly modelSpace: SpaceId;
  readonly keyId: KeyId;
  readonly maximumTemplates: number;
  readonly attempts: number;
  readonly resendAt: Date | null;
}

/** Follows what boxes say of their caches. Each message is one transaction; what comes twice or late changes nothing. */
@Injectable()
export class EdgeCaches {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** A box is there again, with what it holds. */
  async born(address: DeviceAddress, birth: DeviceBirth): Promise<void> {
    const maximumTemplates = Math.min(birth.galleryMaximumTemplates, 2 ** 31 - 1);
    const modelSpace = birth.running?.modelSpace as SpaceId | undefined;
    const keyId = birth.keyId as KeyId;
    const born = { cacheId: birth.galleryCacheId, version: Number(birth.galleryVersion), maximumTemplates };
    await inTransaction(this.database, async (tx) => {
      const cache = await lockCache(tx, address);
      const verdict = judgeBirth(cache, { ...born, modelSpace, keyId });
      switch (verdict.kind) {
        case 'none':
          // It may still hold people, whose tombstones wait until it keeps a cache again.
          if (maximumTemplates === 0) await update(tx, address, { maximumTemplates });
          return;
        case 'begin':
          if (modelSpace === undefined) return;
          await this.#begin(tx, address, { modelSpace, keyId, maximumTemplates, attempts: 0, resendAt: null });
          break;
        case 'resume':
          if (cache === undefined) return;
          await confirm(tx, cache, verdict.version);
          await this.#resume(tx, cache, maximumTemplates);
      }
      await notifyEdgeCaches(tx);
    });
  }

  /** A box says what it holds, after a delta or by itself. */
  async received(address: DeviceAddress, receipt: GalleryReceipt): Promise<void> {
    const now = this.#now();
    const error = /^[A-Z_]+\.[A-Z_]{1,50}$/.test(receipt.error) ? receipt.error : receipt.error && 'CACHE.INVALID';
    await inTransaction(this.database, async (tx) => {
      const cache = await lockCache(tx, address);
      await confirmErasures(tx, address, receipt.erasureIds.filter(isUuid), now);
      if (cache === undefined) return;
      const { cacheId, correlationId } = receipt;
      const verdict = judgeReceipt(cache, { cacheId, version: Number(receipt.version), correlationId, error });
      if (error !== '') this.log.warn({ ...address, code: error, verdict: verdict.kind }, 'a box did not take a delta');
      const told = error === '' ? { lastError: null, lastErrorAt: null } : { lastError: error, lastErrorAt: now };
      if (verdict.kind !== 'old') await update(tx, address, { lastReceiptAt: now, ...told });
      if (verdict.kind === 'held') {
        await confirm(tx, cache, verdict.version);
        if (verdict.again) await update(tx, address, { resendAt: now });
        if (error === 'CACHE.FULL') await shrink(tx, cache);
      }
      if (verdict.kind === 'begin') {
        const { modelSpace, keyId, maximumTemplates } = cache;
        const resendAt = new Date(now.getTime() + backoffMs(cache.attempts, BEGIN_AGAIN));
        const attempts = cache.attempts + 1;
        await this.#begin(tx, address, { modelSpace, keyId, maximumTemplates, attempts, resendAt });
      }
      await notifyEdgeCaches(tx);
    });
  }

  /**
   * A new cache, of which nothing is sent yet. Rows of the former one stay until they are confirmed: the box may hold
   * those people until it has begun anew.
   */
  async #begin(tx: Transaction, address: DeviceAddress, beginning: Beginning): Promise<void> {
    const cacheId = randomUUID();
    const fresh = {
      ...{ ...beginning, cacheId, sentVersion: 0, confirmedVersion: 0, correlationId: '' },
      ...{ fullAtTemplates: null, plannedAt: null, leaseDue: true },
    };
    await tx
      .insert(edgeCache)
      .values({ ...address, ...fresh })
      .onConflictDoUpdate({ target: [edgeCache.tenantId, edgeCache.deviceId], set: fresh });
    await tx.update(edgeCachePerson).set({ version: null }).where(isOwn(edgeCachePerson, address));
    await tx
      .update(edgeCacheErasure)
      .set({ version: null })
      .where(and(isOwn(edgeCacheErasure, address), isNull(edgeCacheErasure.confirmedAt)));
    this.log.info({ ...address, modelSpace: beginning.modelSpace }, 'the local cache of a box begins');
  }

  /** Sends at once what the box does not have; erasures whose receipt may have been lost are asked for again. */
  async #resume(tx: Transaction, cache: EdgeCacheRow, maximumTemplates: number): Promise<void> {
    await update(tx, cache, {
      ...{ maximumTemplates, fullAtTemplates: null, attempts: 0, resendAt: this.#now(), leaseDue: true },
      ...(maximumTemplates === cache.maximumTemplates ? {} : { plannedAt: null }),
    });
    const confirmedVersion = tx
      .select({ version: edgeCache.confirmedVersion })
      .from(edgeCache)
      .where(isOwn(edgeCache, cache));
    await tx
      .update(edgeCacheErasure)
      .set({ version: null })
      .where(
        and(
          isOwn(edgeCacheErasure, cache),
          isNull(edgeCacheErasure.confirmedAt),
          lte(edgeCacheErasure.version, sql`(${confirmedVersion})`),
        ),
      );
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

type Owned = typeof edgeCache | typeof edgeCachePerson | typeof edgeCacheErasure;
const isOwn = (table: Owned, { tenantId, deviceId }: DeviceAddress) =>
  and(eq(table.tenantId, tenantId), eq(table.deviceId, deviceId));

async function lockCache(tx: Transaction, address: DeviceAddress): Promise<EdgeCacheRow | undefined> {
  const [row] = await tx.select().from(edgeCache).where(isOwn(edgeCache, address)).for('update');
  return row;
}

async function update(
  tx: Transaction,
  address: DeviceAddress,
  values: Partial<typeof edgeCache.$inferInsert>,
): Promise<void> {
  await tx.update(edgeCache).set(values).where(isOwn(edgeCache, address));
}

/** The box holds everything up to a version: whoever left by then is gone. */
async function confirm(tx: Transaction, cache: EdgeCacheRow, version: number): Promise<void> {
  if (version <= cache.confirmedVersion) return;
  const isDone = version === cache.sentVersion;
  await update(tx, cache, { confirmedVersion: version, attempts: 0, ...(isDone && { resendAt: null }) });
  await tx
    .delete(edgeCachePerson)
    .where(
      and(isOwn(edgeCachePerson, cache), lte(edgeCachePerson.version, version), sql`NOT ${edgeCachePerson.wanted}`),
    );
}

/** Only what was sent can have been carried out. */
async function confirmErasures(
  tx: Transaction,
  address: DeviceAddress,
  ids: readonly string[],
  confirmedAt: Date,
): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .update(edgeCacheErasure)
    .set({ confirmedAt })
    .where(
      and(
        isOwn(edgeCacheErasure, address),
        inArray(edgeCacheErasure.erasureId, [...ids]),
        isNull(edgeCacheErasure.confirmedAt),
        isNotNull(edgeCacheErasure.sentAt),
      ),
    );
}

/** The box takes no more than it has: whoever is wanted beyond that is planned away, oldest first. */
async function shrink(tx: Transaction, cache: EdgeCacheRow): Promise<void> {
  await tx.execute(sql`
    UPDATE cloud.edge_cache cache SET planned_at = NULL, full_at_templates = coalesce((
      SELECT sum(templates)::int FROM cloud.edge_cache_person present
      WHERE present.tenant_id = cache.tenant_id AND present.device_id = cache.device_id
        AND present.wanted AND present.version <= cache.confirmed_version), 0)
    WHERE cache.tenant_id = ${cache.tenantId} AND cache.device_id = ${cache.deviceId}`);
}
