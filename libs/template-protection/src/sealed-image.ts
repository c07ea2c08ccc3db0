import { createHash, type KeyObject } from 'node:crypto';

import { AppError, type DeviceId, type SightingId, type TenantId } from '@sightline/kernel';

import { hpkeOpen, hpkeSeal, x25519PublicKey, type HpkeBinding } from './hpke.js';

// A sealed image: magic (4 bytes) || key id (8) || ciphertext || tag (16) || encapsulated key (32).
//
// The encapsulated key comes last, so that whoever stores the rest alone has nothing that anybody can open: not even the
// holder of the private key, who needs it to come to the secret (RFC 9180, 4.1, Decap).

const MAGIC = Buffer.from('SLI1', 'ascii');
const KEY_ID_BYTES = 8;
const HEAD_BYTES = MAGIC.length + KEY_ID_BYTES;

/** The encapsulated key at the end. Without these bytes a sealed image does not open. */
export const IMAGE_KEY_BYTES = 32;
/** Head, tag and encapsulated key: what a sealed image has beside the image, bytes. */
export const SEALED_IMAGE_OVERHEAD = HEAD_BYTES + 16 + IMAGE_KEY_BYTES;

/** Of whom an image is, bound to it: under another sighting's name it does not open. */
interface ImageSubject {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
  readonly sightingId: SightingId;
}

/** A name for a public key: the first 16 hexadecimal digits of its SHA-256. */
export function imageKeyId(publicKey: Uint8Array): string {
  return createHash('sha256')
    .update(publicKey)
    .digest('hex')
    .slice(0, 2 * KEY_ID_BYTES);
}

/**
 * Seals an image, so that the holder of a private key alone can open it.
 *
 * @param publicKey on X25519, 32 bytes
 * @throws AppError `SEALING.INVALID_KEY`
 */
export function sealImage(image: Uint8Array, publicKey: Uint8Array, subject: ImageSubject): Uint8Array {
  const head = Buffer.concat([MAGIC, Buffer.from(imageKeyId(publicKey), 'hex')]);
  const { encapsulatedKey, ciphertext } = hpkeSeal(x25519PublicKey(publicKey), image, bindingOf(head, subject));
  return new Uint8Array(Buffer.concat([head, ciphertext, encapsulatedKey]));
}

/** To which key something was sealed; undefined when it is no sealed image. @param sealed its first 12 bytes, or more */
export function sealedImageKeyId(sealed: Uint8Array): string | undefined {
  const head = Buffer.from(sealed.subarray(0, HEAD_BYTES));
  if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  return head.subarray(MAGIC.length).toString('hex');
}

/** @throws AppError `SEALING.BROKEN` with another key, as another sighting's, or when it was changed */
export function openImage(sealed: Uint8Array, privateKey: KeyObject, subject: ImageSubject): Uint8Array {
  if (sealed.length < SEALED_IMAGE_OVERHEAD) throw new AppError('SEALING.BROKEN', 'That is no sealed image.');
  const head = sealed.subarray(0, HEAD_BYTES);
  const message = {
    ciphertext: sealed.subarray(HEAD_BYTES, -IMAGE_KEY_BYTES),
    encapsulatedKey: sealed.subarray(-IMAGE_KEY_BYTES),
  };
  return hpkeOpen(privateKey, message, bindingOf(head, subject));
}

const bindingOf = (head: Uint8Array, { tenantId, deviceId, sightingId }: ImageSubject): HpkeBinding => ({
  info: Buffer.from('sightline/sealed-image/v1', 'utf8'),
  aad: Buffer.concat([head, Buffer.from(JSON.stringify([tenantId, deviceId, sightingId]), 'utf8')]),
});
