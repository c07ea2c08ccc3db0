import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

import { AppError, type TenantId } from '@sightline/kernel';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Whose key it is: bound into the ciphertext, so that a wrapped key moved to another row does not open. */
export interface KeyOwner {
  readonly tenantId: TenantId;
  readonly epoch: number;
}

const associatedData = ({ tenantId, epoch }: KeyOwner): Buffer =>
  Buffer.from(`sightline/template-key/${tenantId}/${epoch}`, 'utf8');

/**
 * Wraps a template key with AES-256-GCM (NIST SP 800-38D) under the key-encryption key.
 *
 * @param keyEncryptionKey 32 bytes
 * @returns nonce (12 bytes) || ciphertext || tag (16 bytes)
 */
export function wrapKey(secret: Uint8Array, keyEncryptionKey: Uint8Array, owner: KeyOwner): Uint8Array {
  // A random nonce is safe here: a key-encryption key wraps far fewer than 2^32 keys (SP 800-38D, 8.3).
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyEncryptionKey, nonce).setAAD(associatedData(owner));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]));
}

/** @throws AppError `TEMPLATE_KEY.UNWRAP_FAILED` under another key-encryption key, or when the row was changed */
export function unwrapKey(wrapped: Uint8Array, keyEncryptionKey: Uint8Array, owner: KeyOwner): Uint8Array {
  try {
    const nonce = wrapped.subarray(0, NONCE_BYTES);
    const ciphertext = wrapped.subarray(NONCE_BYTES, -TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', keyEncryptionKey, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(owner)).setAuthTag(wrapped.subarray(-TAG_BYTES));
    return new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
  } catch (error) {
    throw new AppError(
      'TEMPLATE_KEY.UNWRAP_FAILED',
      'The template key does not open: it was wrapped with another key-encryption key, or was changed.',
      { cause: error },
    );
  }
}
