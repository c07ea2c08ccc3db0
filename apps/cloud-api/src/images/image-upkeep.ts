import type { Database } from '@sightline/database';
import type { Clock, Logger, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, isNull, lt, sql } from 'drizzle-orm';

import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { removedImage, sealedImage } from '../storage/image-schema.js';
import { unnest } from '../storage/unnest.js';
import { ImageFiles, type ImageName } from './image-files.js';
import { ImageKeys } from './image-keys.js';
import { digestBytes, digestText } from './stored-image.js';

const PAGE = 500;
/** What an upload that is just being finished has for a file is no orphan, ms. */
const SETTLING_MS = 3_600_000;
/** Longer than a box keeps an image: nothing with a removed one's digest is taken for so long, ms. */
const REMEMBERED_MS = 30 * 86_400_000;

/** Keeps the image directory what the database says that it is. */
@Injectable()
export class ImageUpkeep {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly files: ImageFiles,
    private readonly keys: ImageKeys,
  ) {}

  /** Removes the files of images whose rows are gone. Rejects when one cannot be removed; what is left is tried again. */
  async removeFiles(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const rows = await this.database.db
        .select({ tenantId: removedImage.tenantId, digest: removedImage.digest })
        .from(removedImage)
        .where(isNull(removedImage.removedAt))
        .orderBy(asc(removedImage.requestedAt))
        .limit(PAGE);
      for (const { tenantId, digest } of rows) {
        await this.files.remove({ tenantId, digest: digestText(digest) });
        await this.database.db
          .update(removedImage)
          .set({ removedAt: this.#now() })
          .where(and(eq(removedImage.tenantId, tenantId), eq(removedImage.digest, digest)));
      }
      if (rows.length < PAGE) return;
    }
  }

  /**
   * Removes files that no row has, and rows that have no file; forgets digests that were removed long ago, and destroys
   * old keys that nothing is under.
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    await this.removeFiles(signal);
    const before = this.clock.wallMs() - SETTLING_MS;
    let orphans = 0;
    for (const folder of ['incoming', 'stored'] as const) {
      for await (const names of this.files.older(folder, before)) {
        signal.throwIfAborted();
        const known = await this.#known(names, folder);
        for (const name of names.filter((one) => !known.has(keyOf(one)))) {
          await this.files.remove(name);
          orphans += 1;
        }
      }
    }
    const lost = await this.#forgetLost(signal);
    const forgotten = new Date(this.clock.wallMs() - REMEMBERED_MS);
    await this.database.db.delete(removedImage).where(lt(removedImage.removedAt, forgotten));
    const keys = await this.keys.retire();
    if (orphans + lost + keys > 0) this.log.warn({ orphans, lost, keys }, 'images were put in order');
  }

  /** Of files, those that belong there: what is stored, or is still to come. */
  async #known(names: readonly ImageName[], folder: 'incoming' | 'stored'): Promise<ReadonlySet<string>> {
    const wanted = unnest([
      ['text', names.map(({ tenantId }) => tenantId)],
      ['text', names.map(({ digest }) => digest)],
    ]);
    const { rows } = await this.database.db.execute<{ tenantId: TenantId; digest: string }>(sql`
      SELECT wanted.tenant_id AS "tenantId", wanted.digest FROM ${wanted} AS wanted (tenant_id, digest)
      JOIN cloud.sealed_image own ON own.tenant_id = wanted.tenant_id AND own.digest = decode(wanted.digest, 'hex')
      WHERE (own.stored_at IS NOT NULL) = ${folder === 'stored'}`);
    return new Set(rows.map(keyOf));
  }

  /** @returns how many rows had lost their file */
  async #forgetLost(signal: AbortSignal): Promise<number> {
    let lost = 0;
    let after: { readonly tenantId: TenantId; readonly digest: Uint8Array } | undefined;
    do {
      signal.throwIfAborted();
      const rows = await this.database.db
        .select({ tenantId: sealedImage.tenantId, digest: sealedImage.digest })
        .from(sealedImage)
        .where(
          and(
            sql`stored_at IS NOT NULL`,
            after && sql`(tenant_id, digest) > (${after.tenantId}, decode(${digestText(after.digest)}, 'hex'))`,
          ),
        )
        .orderBy(asc(sealedImage.tenantId), asc(sealedImage.digest))
        .limit(PAGE);
      const missing: ImageName[] = [];
      for (const { tenantId, digest } of rows) {
        const name = { tenantId, digest: digestText(digest) };
        if (!(await this.files.isStored(name))) missing.push(name);
      }
      lost += await this.#deleteLost(missing, rows.length);
      after = rows.length < PAGE ? undefined : rows.at(-1);
    } while (after !== undefined);
    return lost;
  }

  /** A directory in which nothing is any more is rather one that is not mounted. */
  async #deleteLost(missing: readonly ImageName[], looked: number): Promise<number> {
    if (missing.length === 0) return 0;
    if (missing.length === looked) {
      this.log.error({ images: looked }, 'no image is in the image directory: is it the right one?');
      return 0;
    }
    for (const { tenantId, digest } of missing) {
      await this.database.db
        .delete(sealedImage)
        .where(and(eq(sealedImage.tenantId, tenantId), inArray(sealedImage.digest, [digestBytes(digest)])));
    }
    this.log.error({ images: missing.length }, 'files of images are lost: the images are forgotten');
    return missing.length;
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const keyOf = ({ tenantId, digest }: ImageName): string => `${tenantId}/${digest}`;
