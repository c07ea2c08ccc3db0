import { sign, type KeyObject } from 'node:crypto';

import type { Database } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { isNull } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { gallerySigningKey } from '../storage/edge-cache-schema.js';
import { newSigningKey, unwrapSigningKey } from '../template-keys/wrapped-signing-key.js';

/** What a box checks deltas with. */
export interface GalleryVerificationKey {
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

interface SigningKey extends GalleryVerificationKey {
  readonly privateKey: KeyObject;
}

const USE = 'gallery-signing-key';

/** The installation's key that deltas of local caches are signed with (Ed25519). In the database it lies wrapped. */
@Injectable()
export class GallerySigningKeys {
  #current: Promise<SigningKey> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * The key in use, made at the first use.
   *
   * @throws AppError `GALLERY_KEY.UNWRAP_FAILED`
   */
  current(): Promise<GalleryVerificationKey> {
    return this.#load();
  }

  /** @returns the signature (64 bytes) and the id of the key that made it */
  async sign(body: Uint8Array): Promise<{ readonly signature: Uint8Array; readonly signingKeyId: string }> {
    const { privateKey, keyId } = await this.#load();
    return { signature: new Uint8Array(sign(null, body, privateKey)), signingKeyId: keyId };
  }

  #load(): Promise<SigningKey> {
    if (this.#current !== undefined) return this.#current;
    const loading = this.#readOrCreate();
    this.#current = loading;
    loading.catch(() => (this.#current = undefined));
    return loading;
  }

  async #readOrCreate(): Promise<SigningKey> {
    const row = (await this.#read()) ?? (await this.#create());
    const { keyId, publicKey } = row;
    try {
      return { keyId, publicKey, privateKey: unwrapSigningKey(row, this.config.keyEncryptionKey, USE) };
    } catch (cause) {
      throw new AppError(
        'GALLERY_KEY.UNWRAP_FAILED',
        'The signing key of local caches does not open: it was wrapped with another key-encryption key, or was changed.',
        { cause },
      );
    }
  }

  async #read() {
    const [row] = await this.database.db.select().from(gallerySigningKey).where(isNull(gallerySigningKey.retiredAt));
    return row;
  }

  async #create() {
    const key = newSigningKey(this.config.keyEncryptionKey, USE);
    const createdAt = new Date(this.clock.wallMs());
    await this.database.db
      .insert(gallerySigningKey)
      .values({ ...key, createdAt })
      .onConflictDoNothing();
    // Another process may have been first: the row decides.
    const row = await this.#read();
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The signing key was not stored.');
    return row;
  }
}
