import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

import { unwrapSecret, wrapSecret } from './key-wrapping.js';

/** A signing key as it lies in the database. */
export interface WrappedSigningKey {
  /** The first 16 hexadecimal digits of the public key's SHA-256. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** PKCS #8, DER, wrapped under the key-encryption key. */
  readonly wrappedPrivateKey: Uint8Array;
}

const nameOf = (use: string, keyId: string): string => `${use}/${keyId}`;

/** A new key for Ed25519. @param use what it signs, bound into the wrapping */
export function newSigningKey(keyEncryptionKey: Uint8Array, use: string): WrappedSigningKey {
  const pair = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { format: 'der', type: 'spki' },
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
  });
  const publicKey = new Uint8Array(pair.publicKey);
  const keyId = createHash('sha256').update(publicKey).digest('hex').slice(0, 16);
  return { keyId, publicKey, wrappedPrivateKey: wrapSecret(pair.privateKey, keyEncryptionKey, nameOf(use, keyId)) };
}

/** @throws whatever the cipher says, under another key-encryption key or use, or when the row was changed */
export function unwrapSigningKey(
  { keyId, wrappedPrivateKey }: Pick<WrappedSigningKey, 'keyId' | 'wrappedPrivateKey'>,
  keyEncryptionKey: Uint8Array,
  use: string,
): KeyObject {
  const key = unwrapSecret(wrappedPrivateKey, keyEncryptionKey, nameOf(use, keyId));
  return createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });
}
