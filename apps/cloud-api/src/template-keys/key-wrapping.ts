import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

import { AppError, type TenantId } from '@sightline/kernel';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Whose key it is: bound into the ciphertext, so that a wrapped key moved to another row does not open. */
export interface KeyOwner {
  readonly tenantId: TenantId;
  readonly epoch: number;
}

const nameOf = ({ tenantId, epoch }: KeyOwner): string => `template-key/${tenantId}/${epoch}`;

/**
 * Wraps a secret with AES-256-GCM (NIST SP 800-38D) under the key-encryption key.
 *
 * @param keyEncryptionKey 32 bytes
 * @param name whose secret it is, bound into the ciphertext
 * @returns nonce (12 bytes) || ciphertext || tag (16 bytes)
 */
export function wrapSecret(secret: Uint8Array, keyEncryptionKey: Uint8Array, name: string): Uint8Array {
  // A random nonce is safe here: a key-encryption key wraps far fewer than 2^32 keys (SP 800-38D, 8.3).
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyEncryptionKey, nonce).setAAD(associatedData(name));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]));
}

/** @throws whatever the cipher says, under another key-encryption key or name, or when the bytes were changed */
export function unwrapSecret(wrapped: Uint8Array, keyEncryptionKey: Uint8Array, name: string): Uint8Array {
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  const ciphertext = wrapped.subarray(NONCE_BYTES, -TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', keyEncryptionKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(name)).setAuthTag(wrapped.subarray(-TAG_BYTES));
  return new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
}

const associatedData = (name: string): Buffer => Buffer.from(`sightline/${name}`, 'utf8');

/** Wraps a template key: see {@link wrapSecret}. */
export function wrapKey(secret: Uint8Array, keyEncryptionKey: Uint8Array, owner: KeyOwner): Uint8Array {
  return wrapSecret(secret, keyEncryptionKey, nameOf(owner));
}

/** @throws AppError `TEMPLATE_KEY.UNWRAP_FAILED` under another key-encryption key, or when the row was changed */
export function unwrapKey(wrapped: Uint8Array, keyEncryptionKey: Uint8Array, owner: KeyOwner): Uint8Array {
  try {
    return unwrapSecret(wrapped, keyEncryptionKey, nameOf(owner));
  } catch (error) {
    throw new AppError(
      'TEMPLATE_KEY.UNWRAP_FAILED',
      'The template key does not open: it was wrapped with another key-encryption key, or was changed.',
      { cause: error },
    );
  }
}
