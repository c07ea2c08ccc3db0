import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';

import { AppError } from '@sightline/kernel';

import { hpkeOpen, hpkeSeal, type HpkeBinding } from './hpke.js';

const SECRET_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals with AES-256-GCM (NIST SP 800-38D).
 *
 * @param key 32 bytes; it seals at most 2^32 things, so that random nonces are safe (SP 800-38D, 8.3)
 * @param context bound to it: what is opened under another one does not open
 * @returns nonce (12 bytes) || ciphertext || tag (16 bytes)
 */
export function sealWithKey(key: Uint8Array, plain: Uint8Array, context: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context, 'utf8'));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}

/** @throws whatever the cipher says, under another key or context, or when the bytes were changed */
export function openWithKey(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context, 'utf8')).setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
  return new Uint8Array(Buffer.concat([plain, decipher.final()]));
}

/** What a holder of a private key alone can open. */
export interface SealedToKey {
  /** Of a key pair made for this one message, as RFC 9180 serialises it (`enc`). */
  readonly ephemeralPublicKey: Uint8Array;
  /** Ciphertext || tag (16 bytes). */
  readonly sealed: Uint8Array;
}

const bindingOf = (context: string): HpkeBinding => ({
  info: Buffer.from('sightline/sealing-to-key/v2', 'utf8'),
  aad: Buffer.from(context, 'utf8'),
});

/**
 * Seals for the holder of a private key: see {@link hpkeSeal}.
 *
 * @param publicKey on P-256 or X25519
 * @param context bound to it: what is opened under another one does not open
 */
export function sealToKey(publicKey: KeyObject, plain: Uint8Array, context: string): SealedToKey {
  const { encapsulatedKey, ciphertext } = hpkeSeal(publicKey, plain, bindingOf(context));
  return { ephemeralPublicKey: encapsulatedKey, sealed: ciphertext };
}

/** @throws AppError `SEALING.BROKEN` with another private key or context, or when it was changed */
export function openWithPrivateKey(
  privateKey: KeyObject,
  { ephemeralPublicKey, sealed }: SealedToKey,
  context: string,
): Uint8Array {
  return hpkeOpen(privateKey, { encapsulatedKey: ephemeralPublicKey, ciphertext: sealed }, bindingOf(context));
}

/** Keeps what must not be read or changed at rest, under one secret and for one purpose. */
export interface Sealer {
  /** As {@link sealWithKey}. */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** @throws AppError `SEALING.BROKEN` under another secret, purpose or context, or when it was changed */
  open(sealed: Uint8Array, context: string): Uint8Array;
  /** A name that tells nothing without the secret, to look something up by: HMAC-SHA-256, 32 bytes. */
  name(text: string): Uint8Array;
}

/**
 * A sealer with keys of its own for a purpose, by HKDF-SHA-256 (RFC 5869).
 *
 * @param secret 32 bytes from a cryptographic source
 * @throws AppError `SEALING.INVALID_SECRET`
 */
export function createSealer(secret: Uint8Array, purpose: string): Sealer {
  if (secret.length !== SECRET_BYTES) {
    throw new AppError('SEALING.INVALID_SECRET', `The secret of a sealer has ${SECRET_BYTES} bytes.`);
  }
  const derive = (use: string): Uint8Array =>
    new Uint8Array(
      hkdfSync('sha256', secret, new Uint8Array(0), JSON.stringify(['sightline/sealing/v1', purpose, use]), 32),
    );
  const [sealingKey, namingKey] = [derive('seal'), derive('name')];
  return {
    seal: (plain, context) => sealWithKey(sealingKey, plain, context),
    open: (sealed, context) => {
      try {
        return openWithKey(sealingKey, sealed, context);
      } catch (cause) {
        throw new AppError('SEALING.BROKEN', 'What was sealed does not open.', { cause });
      }
    },
    name: (text) => new Uint8Array(createHmac('sha256', namingKey).update(text, 'utf8').digest()),
  };
}
