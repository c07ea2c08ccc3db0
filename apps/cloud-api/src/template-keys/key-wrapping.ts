import { AppError, type TenantId } from '@sightline/kernel';
import { openWithKey, sealWithKey } from '@sightline/template-protection';

/** Whose key it is: bound into the ciphertext, so that a wrapped key moved to another row does not open. */
export interface KeyOwner {
  readonly tenantId: TenantId;
  readonly epoch: number;
}

const nameOf = ({ tenantId, epoch }: KeyOwner): string => `template-key/${tenantId}/${epoch}`;

/**
 * Wraps a secret under the key-encryption key.
 *
 * @param keyEncryptionKey 32 bytes
 * @param name whose secret it is, bound into the ciphertext
 */
export function wrapSecret(secret: Uint8Array, keyEncryptionKey: Uint8Array, name: string): Uint8Array {
  return sealWithKey(keyEncryptionKey, secret, contextOf(name));
}

/** @throws whatever the cipher says, under another key-encryption key or name, or when the bytes were changed */
export function unwrapSecret(wrapped: Uint8Array, keyEncryptionKey: Uint8Array, name: string): Uint8Array {
  return openWithKey(keyEncryptionKey, wrapped, contextOf(name));
}

const contextOf = (name: string): string => `sightline/${name}`;

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
