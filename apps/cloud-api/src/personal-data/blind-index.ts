import { createHmac, hkdfSync } from 'node:crypto';

import type { TenantId } from '@sightline/kernel';

/** Bits of a word's bucket: see {@link BlindIndex.words}. */
const BUCKET_BITS = 16;

/**
 * Finds sealed values by what they say, without saying what that is: HMAC-SHA-256 of the normalised value, under a key
 * of the tenant by HKDF-SHA-256 (RFC 5869) from the key-encryption key and the key store's salt. Whoever has the
 * database alone, or its backup, learns nothing of a value; who has all three can test guesses.
 */
export class BlindIndex {
  readonly #keys = new Map<TenantId, Uint8Array>();

  constructor(
    private readonly keyEncryptionKey: Uint8Array,
    private readonly salt: Uint8Array,
  ) {}

  /** 32 bytes; equal for external ids that are the same after Unicode normalisation (NFC), case kept. */
  externalId(tenantId: TenantId, externalId: string): Uint8Array {
    return this.#mac(tenantId, 'external-id', externalId.normalize('NFC'));
  }

  /**
   * The words of a name, or of what is searched for, as buckets of 16 bits each, without repeats: so few that a bucket
   * does not tell which word it is, and enough to leave few names to open. What is found by them is compared again
   * with the name itself.
   */
  words(tenantId: TenantId, text: string): readonly number[] {
    const buckets = wordsOf(text).map((word) => {
      const mac = this.#mac(tenantId, 'name-word', word);
      return new DataView(mac.buffer, mac.byteOffset).getUint16(0) & (2 ** BUCKET_BITS - 1);
    });
    return [...new Set(buckets)].sort((a, b) => a - b);
  }

  #mac(tenantId: TenantId, use: string, value: string): Uint8Array {
    return new Uint8Array(
      createHmac('sha256', this.#keyOf(tenantId))
        .update(JSON.stringify([use, value]))
        .digest(),
    );
  }

  #keyOf(tenantId: TenantId): Uint8Array {
    const known = this.#keys.get(tenantId);
    if (known !== undefined) return known;
    const info = JSON.stringify(['sightline/blind-index/v1', tenantId]);
    const key = new Uint8Array(hkdfSync('sha256', this.keyEncryptionKey, this.salt, info, 32));
    this.#keys.set(tenantId, key);
    return key;
  }
}

/** Words in lower case and without diacritics, as somebody types them who searches. */
export function wordsOf(text: string): readonly string[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  return plain.match(/[\p{L}\p{N}]+/gu) ?? [];
}
