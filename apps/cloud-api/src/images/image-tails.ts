import type { PersonId, TenantId } from '@sightline/kernel';
import { createSealer, type Sealer } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CONFIG } from '../platform/tokens.js';

/** Whose an image is. */
interface ImageOwner {
  readonly tenantId: TenantId;
  /** 64 hexadecimal digits. */
  readonly digest: string;
  /** The one who is identified, or the two who are ambiguous; nobody of a stranger. */
  readonly personIds: readonly PersonId[];
}

/**
 * Seals the last bytes of sealed images, without which the rest opens for nobody. With the key of the person who was
 * named, so that to destroy it is to destroy the image, here and in every backup; of two people with both keys, one in
 * the other, so that either's erasure does. Of a stranger with a key of the tenant.
 */
@Injectable()
export class ImageTails {
  readonly #sealer: Sealer;

  constructor(
    @Inject(CONFIG) { keyEncryptionKey }: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    private readonly personalData: PersonalData,
  ) {
    this.#sealer = createSealer(keyEncryptionKey, 'sealed-image');
  }

  /** @throws AppError `PERSON.NOT_FOUND` once the key of one of the people was destroyed */
  async seal({ tenantId, digest, personIds }: ImageOwner, tail: Uint8Array): Promise<Uint8Array> {
    if (personIds.length === 0) return this.#sealer.seal(tail, `${tenantId}/${digest}`);
    let sealed = tail;
    for (const personId of personIds) {
      const text = Buffer.from(sealed).toString('base64');
      sealed = await this.personalData.sealText({ tenantId, personId }, `image/${digest}`, text);
    }
    return sealed;
  }

  /** Undefined once the key of one of the people was destroyed, or when the row was changed. */
  async open({ tenantId, digest, personIds }: ImageOwner, sealed: Uint8Array): Promise<Uint8Array | undefined> {
    if (personIds.length === 0) return this.#sealer.open(sealed, `${tenantId}/${digest}`);
    let opened = sealed;
    for (const personId of personIds.toReversed()) {
      const text = await this.personalData.openText({ tenantId, personId }, `image/${digest}`, opened);
      if (text === undefined) return undefined;
      opened = new Uint8Array(Buffer.from(text, 'base64'));
    }
    return opened;
  }
}
