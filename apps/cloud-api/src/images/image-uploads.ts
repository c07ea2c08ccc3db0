import type { Readable } from 'node:stream';
import { createHash } from 'node:crypto';

import { rest, type DeviceAddress } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, isAppError, type Clock } from '@sightline/kernel';
import { IMAGE_KEY_BYTES, sealedImageKeyId, SEALED_IMAGE_OVERHEAD } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { imageSite, sealedImage } from '../storage/image-schema.js';
import { ImageFiles, type ImageName } from './image-files.js';
import { ImageKeys } from './image-keys.js';
import { ImageTails } from './image-tails.js';
import { receivePart, type Checksum } from './receive-part.js';
import { digestBytes, personIdsOf, type ImageRow } from './stored-image.js';

const DAY_MS = 86_400_000;

/** How far an upload has come, bytes. */
interface UploadState {
  readonly offset: number;
  readonly length: number;
}

interface UploadPart {
  /** Where its first byte belongs. */
  readonly offset: number;
  readonly body: Readable;
  /** Of this part alone. */
  readonly checksum?: Checksum | undefined;
}

/**
 * Takes images that sightings refer to, from the box that made them, in as many parts as it needs.
 *
 * Invariants: an image is stored only when its bytes have the digest that its sighting named, and then for good; what
 * lies on the disk before that is never its last {@link IMAGE_KEY_BYTES} bytes. Every step may be repeated.
 */
@Injectable()
export class ImageUploads {
  /** Uploads that a request of this process is writing. */
  readonly #busy = new Set<string>();

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly files: ImageFiles,
    private readonly keys: ImageKeys,
    private readonly tails: ImageTails,
  ) {}

  /**
   * Begins an upload, or finds one that was begun.
   *
   * @param length bytes of the sealed image
   * @throws AppError `SEALED_IMAGE.NOT_EXPECTED`, `SEALED_IMAGE.QUOTA` (retryable), `REQUEST.TOO_LARGE`, `REQUEST.INVALID`
   */
  async begin(address: DeviceAddress, digest: string, length: number): Promise<UploadState> {
    if (length > rest.SEALED_IMAGE_BYTES) throw tooLarge();
    if (length <= SEALED_IMAGE_OVERHEAD) throw new AppError('REQUEST.INVALID', 'So short is no sealed image.');
    const row = await inTransaction(this.database, (tx) => this.#accept(tx, address, { digest, length }));
    return this.#state(row, { tenantId: address.tenantId, digest });
  }

  /** @throws AppError `SEALED_IMAGE.NOT_EXPECTED` for an upload that was not begun, or whose image is not wanted any more */
  async state(address: DeviceAddress, digest: string): Promise<UploadState> {
    return this.#state(await this.#begun(address, digest), { tenantId: address.tenantId, digest });
  }

  /**
   * Takes the next part. What came of a part before its connection broke is kept, where the part has no checksum.
   *
   * @returns how far the upload has come; at its length the image is stored
   * @throws AppError `SEALED_IMAGE.NOT_EXPECTED`, `SEALED_IMAGE.WRONG_OFFSET`, `SEALED_IMAGE.LOCKED` (retryable),
   *   `SEALED_IMAGE.WRONG_CHECKSUM` (retryable), `SEALED_IMAGE.NO_ROOM` (retryable), `SEALED_IMAGE.INVALID`: then what
   *   there was of it is removed; `REQUEST.TOO_LARGE`, `REQUEST.ABORTED`
   */
  async append(address: DeviceAddress, digest: string, part: UploadPart): Promise<UploadState> {
    const name = { tenantId: address.tenantId, digest };
    const key = `${name.tenantId}/${digest}`;
    if (this.#busy.has(key)) {
      throw new AppError('SEALED_IMAGE.LOCKED', 'Another request is uploading this image.', { retryable: true });
    }
    this.#busy.add(key);
    try {
      return await this.#append(address, name, part);
    } finally {
      this.#busy.delete(key);
    }
  }

  async #append(address: DeviceAddress, name: ImageName, part: UploadPart): Promise<UploadState> {
    const row = await this.#begun(address, name.digest);
    const { offset, length } = await this.#state(row, name);
    if (part.offset !== offset) {
      throw new AppError('SEALED_IMAGE.WRONG_OFFSET', `The upload goes on at byte ${offset}.`, { details: { offset } });
    }
    if (offset === length) return { offset, length };
    const onDisk = length - IMAGE_KEY_BYTES;
    const file = await this.files.openIncoming(name);
    const { end, tail } = await receivePart(file, part, { onDisk, length }).finally(() => file.close());
    if (end < length) return { offset: Math.min(end, onDisk), length };
    await this.#finish(row, name, tail);
    return { offset: length, length };
  }

  async #accept(
    tx: Transaction,
    address: DeviceAddress,
    { digest, length }: { readonly digest: string; readonly length: number },
  ): Promise<ImageRow> {
    const [image] = await tx.select().from(sealedImage).where(isImageOf(address, digest)).for('update');
    if (image === undefined) throw notExpected();
    const { maximumBytesPerDay: dailyBytes } = imageSite;
    const isSite = and(eq(imageSite.tenantId, image.tenantId), eq(imageSite.siteId, image.siteId), imageSite.enabled);
    const [site] = await tx.select({ dailyBytes }).from(imageSite).where(isSite);
    if (site === undefined) throw notExpected();
    if (image.length === length) return image;
    await this.#countToday(tx, address, { length, dailyBytes: site.dailyBytes });
    const acceptedAt = new Date(this.clock.wallMs());
    await tx.update(sealedImage).set({ length, acceptedAt }).where(isImageOf(address, digest));
    await this.files.removeIncoming({ tenantId: address.tenantId, digest });
    return { ...image, length, acceptedAt };
  }

  /** @throws AppError `SEALED_IMAGE.QUOTA` (retryable, says when) */
  async #countToday(
    tx: Transaction,
    { tenantId, deviceId }: DeviceAddress,
    { length, dailyBytes }: { readonly length: number; readonly dailyBytes: number },
  ): Promise<void> {
    const nowMs = this.clock.wallMs();
    const midnightMs = nowMs - (nowMs % DAY_MS);
    // One after another, so that two at once do not both find room.
    await tx.execute(
      sql`SELECT pg_advisory_xact_lock(hashtext('image-quota'), hashtext(${`${tenantId}/${deviceId}`}))`,
    );
    const { rows } = await tx.execute<{ bytes: string }>(sql`
      SELECT coalesce(sum(length), 0) AS bytes FROM cloud.sealed_image WHERE tenant_id = ${tenantId}
        AND device_id = ${deviceId} AND accepted_at >= ${new Date(midnightMs).toISOString()}::timestamptz`);
    if (Number(rows[0]?.bytes) + length <= dailyBytes) return;
    throw new AppError('SEALED_IMAGE.QUOTA', 'The device has uploaded as much as a day allows.', {
      retryable: true,
      details: { retryAfterSeconds: (midnightMs + DAY_MS - nowMs) / 1000 },
    });
  }

  async #begun(address: DeviceAddress, digest: string): Promise<ImageRow> {
    const [row] = await this.database.db.select().from(sealedImage).where(isImageOf(address, digest));
    if (row?.length == null) throw notExpected();
    return row;
  }

  async #state({ length, storedAt }: ImageRow, name: ImageName): Promise<UploadState> {
    const bytes = length ?? 0;
    return { offset: storedAt === null ? await this.files.incomingBytes(name) : bytes, length: bytes };
  }

  /** All bytes are there: they are checked, and stored. */
  async #finish(row: ImageRow, name: ImageName, tail: Uint8Array): Promise<void> {
    try {
      const bytes = await this.files.readIncoming(name);
      const digest = createHash('sha256').update(bytes).update(tail).digest('hex');
      if (digest !== name.digest) throw invalid('The bytes do not have the digest that the sighting names.');
      const keyId = sealedImageKeyId(bytes);
      if (keyId === undefined || (await this.keys.find(name.tenantId, keyId)) === undefined) {
        throw invalid('The image is not sealed to a key of this tenant.');
      }
      await inTransaction(this.database, (tx) => this.#store(tx, row, { name, tail, keyId }));
    } catch (error) {
      // Room and keys come back: then the last bytes alone are sent again.
      if (!isAppError(error) || !error.retryable) await this.files.removeIncoming(name);
      throw error;
    }
  }

  async #store(
    tx: Transaction,
    { tenantId, deviceId }: ImageRow,
    { name, tail, keyId }: { readonly name: ImageName; readonly tail: Uint8Array; readonly keyId: string },
  ): Promise<void> {
    const isRow = isImageOf({ tenantId, deviceId }, name.digest);
    // As it is now: whoever it is of may have been erased, or named by a review, since the upload began.
    const [row] = await tx.select().from(sealedImage).where(isRow).for('update');
    if (row === undefined) throw notExpected();
    if (row.storedAt !== null) return;
    const sealedTail = await this.#sealTail(row, name, tail);
    await this.files.keep(name);
    await tx
      .update(sealedImage)
      .set({ keyId, sealedTail, storedAt: new Date(this.clock.wallMs()) })
      .where(isRow);
  }

  async #sealTail(row: ImageRow, name: ImageName, tail: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.tails.seal({ ...name, personIds: personIdsOf(row) }, tail);
    } catch (error) {
      if (isAppError(error, 'PERSON.NOT_FOUND')) throw notExpected();
      throw error;
    }
  }
}

const isImageOf = ({ tenantId, deviceId }: DeviceAddress, digest: string) =>
  and(
    eq(sealedImage.tenantId, tenantId),
    eq(sealedImage.digest, digestBytes(digest)),
    eq(sealedImage.deviceId, deviceId),
  );

const tooLarge = (): AppError =>
  new AppError('REQUEST.TOO_LARGE', `A sealed image has at most ${rest.SEALED_IMAGE_BYTES} bytes.`);
const notExpected = (): AppError =>
  new AppError('SEALED_IMAGE.NOT_EXPECTED', 'No image with this digest is taken from this device (any more).');
const invalid = (sentence: string): AppError => new AppError('SEALED_IMAGE.INVALID', sentence);
