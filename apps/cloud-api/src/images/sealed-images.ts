import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isAppError, isSha256, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { openImage } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, gte, inArray, isNotNull, lt, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage } from '../http/page-cursor.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { imageSite, sealedImage } from '../storage/image-schema.js';
import { person } from '../storage/schema.js';
import { ImageFiles } from './image-files.js';
import { ImageKeys } from './image-keys.js';
import { ImageTails } from './image-tails.js';
import { OpeningPace } from './opening-pace.js';
import { digestBytes, digestText, personIdsOf, type ImageRow } from './stored-image.js';

/** What somebody gets who opens an image. */
interface OpenedImage {
  /** sealed: the tenant keeps the private key elsewhere, and opens it there. */
  readonly kind: 'image' | 'sealed';
  readonly bytes: Uint8Array;
}

/** Images that are stored: which there are, and, for a stated purpose, what they show. */
@Injectable()
export class SealedImages {
  readonly #pace: OpeningPace;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly files: ImageFiles,
    private readonly keys: ImageKeys,
    private readonly tails: ImageTails,
    private readonly audit: Audit,
  ) {
    this.#pace = new OpeningPace(clock);
  }

  /** Newest first, by when they were stored. */
  async list(tenantId: TenantId, query: rest.SealedImageQuery): Promise<rest.SealedImagePage> {
    const { limit, cursor, sightingId, siteId, from, to } = query;
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSha256);
    const { storedAt, digest } = sealedImage;
    const rows = await this.database.db
      .select()
      .from(sealedImage)
      .where(
        and(
          eq(sealedImage.tenantId, tenantId),
          isNotNull(storedAt),
          sightingId === undefined ? undefined : sql`${sealedImage.sightingId} = ${sightingId}::uuid`,
          siteId === undefined ? undefined : eq(sealedImage.siteId, siteId),
          from === undefined ? undefined : gte(storedAt, new Date(from)),
          to === undefined ? undefined : lt(storedAt, new Date(to)),
          after &&
            sql`(${storedAt}, ${digest}) < (${after.time.toISOString()}::timestamptz, decode(${after.id}, 'hex'))`,
        ),
      )
      .orderBy(desc(storedAt), desc(digest))
      .limit(limit + 1);
    return toPage(rows, limit, {
      item: toSealedImage,
      cursor: (row) => ({ time: row.storedAt ?? row.notedAt, id: digestText(row.digest) }),
    });
  }

  /**
   * Opens an image. The audit says so before the bytes are given, also when they are not.
   *
   * @throws AppError `SEALED_IMAGE.NOT_FOUND`, `SEALED_IMAGE.NOT_OPENABLE`, `CONSENT.MISSING`, `REQUEST.RATE_LIMITED`
   *   (retryable)
   */
  async open(
    { tenantId, actor }: RequestCaller,
    digest: string,
    { purpose, reason }: rest.OpenImage,
  ): Promise<OpenedImage> {
    const entry = {
      ...{ tenantId, actor, action: 'image.open' as const, subject: { kind: 'image', id: digest } },
      purpose: `${purpose}:${reason}`,
    };
    try {
      this.#pace.take(`${tenantId}/${actor}`);
      const opened = await this.#open(tenantId, digest);
      await this.audit.append(entry);
      return opened;
    } catch (error) {
      await this.audit.append({ ...entry, outcome: isAppError(error) ? error.code : 'SERVICE.INTERNAL' });
      throw error;
    }
  }

  async #open(tenantId: TenantId, digest: string): Promise<OpenedImage> {
    const [row] = await this.database.db
      .select()
      .from(sealedImage)
      .where(and(eq(sealedImage.tenantId, tenantId), eq(sealedImage.digest, digestBytes(digest))));
    if (row?.storedAt == null || row.keyId === null || row.sealedTail === null) {
      throw new AppError('SEALED_IMAGE.NOT_FOUND', 'There is no stored image with this digest.');
    }
    await this.#assertPermitted(row);
    const key = await this.keys.find(tenantId, row.keyId);
    const tail = await this.tails.open({ tenantId, digest, personIds: personIdsOf(row) }, row.sealedTail);
    const rest = await this.files.read({ tenantId, digest });
    if (key === undefined || tail === undefined || rest === undefined) {
      this.log.error({ tenantId, key: key !== undefined, file: rest !== undefined }, 'an image cannot be opened');
      throw new AppError('SEALED_IMAGE.NOT_OPENABLE', 'The image cannot be opened any more.');
    }
    const sealed = new Uint8Array(Buffer.concat([rest, tail]));
    const privateKey = this.keys.privateKey(key);
    if (privateKey === undefined) return { kind: 'sealed', bytes: sealed };
    return { kind: 'image', bytes: openImage(sealed, privateKey, row) };
  }

  /** What somebody has withdrawn since is not looked at any more. @throws AppError `CONSENT.MISSING` */
  async #assertPermitted(row: ImageRow): Promise<void> {
    const { tenantId, siteId } = row;
    const ids = [...personIdsOf(row)];
    if (ids.length === 0) return;
    const { db } = this.database;
    const isSite = and(eq(imageSite.tenantId, tenantId), eq(imageSite.siteId, siteId));
    const [site] = await db.select({ purpose: imageSite.purpose }).from(imageSite).where(isSite);
    const purpose = site?.purpose ?? null;
    if (purpose === null) return;
    const people = await db
      .select({ purposes: person.purposes })
      .from(person)
      .where(and(eq(person.tenantId, tenantId), inArray(person.id, ids)));
    if (people.length === ids.length && people.every(({ purposes }) => purposes.includes(purpose))) return;
    throw new AppError('CONSENT.MISSING', 'Whoever the image is of may not be matched for the purpose of its site.');
  }
}

function toSealedImage({ digest, length, keyId, seenAt, storedAt, ...row }: ImageRow): rest.SealedImage {
  const { sightingId, deviceId, siteId, outcome } = row;
  return {
    ...{ digest: digestText(digest), sightingId, deviceId, siteId, outcome },
    ...{ bytes: length ?? 0, keyId: keyId ?? '' },
    seenAt: seenAt.toISOString(),
    storedAt: (storedAt ?? row.notedAt).toISOString(),
  };
}
