import { createPrivateKey } from 'node:crypto';

import type { DeviceId, SightingId, TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { newX25519KeyPair } from './hpke.js';
import {
  IMAGE_KEY_BYTES,
  imageKeyId,
  openImage,
  sealedImageKeyId,
  sealImage,
  SEALED_IMAGE_OVERHEAD,
} from './sealed-image.js';

const subject = {
  tenantId: 'acme' as TenantId,
  deviceId: 'gate-1' as DeviceId,
  sightingId: '0190b5f0-0000-7000-8000-00000000000a' as SightingId,
};
const pair = newX25519KeyPair();
const keyOf = ({ privateKey }: typeof pair) =>
  createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
const image = new Uint8Array(Buffer.from('a face, as a JPEG'));
const broken = expect.objectContaining({ code: 'SEALING.BROKEN' }) as Error;

describe('a sealed image', () => {
  const sealed = sealImage(image, pair.publicKey, subject);

  it('opens with the private key, and names the key', () => {
    expect(openImage(sealed, keyOf(pair), subject)).toEqual(image);
    expect(sealed).toHaveLength(image.length + SEALED_IMAGE_OVERHEAD);
    expect(sealedImageKeyId(sealed.subarray(0, 12))).toBe(imageKeyId(pair.publicKey));
    expect(sealedImageKeyId(image)).toBeUndefined();
    expect(sealedImageKeyId(sealed.subarray(0, 11))).toBeUndefined();
  });

  it('opens with no other key, as no other sighting’s, and not when any byte was changed', () => {
    expect(() => openImage(sealed, keyOf(newX25519KeyPair()), subject)).toThrow(broken);
    expect(() => openImage(sealed, keyOf(pair), { ...subject, deviceId: 'gate-2' as DeviceId })).toThrow(broken);
    expect(() => openImage(new Uint8Array(20), keyOf(pair), subject)).toThrow(broken);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = sealed.map((byte, at) => (at === index ? byte ^ 1 : byte));
      expect(() => openImage(changed, keyOf(pair), subject)).toThrow(broken);
    }
  });

  it('does not open without its last bytes, even for the holder of the private key', () => {
    const other = sealImage(image, pair.publicKey, subject);
    const without = Buffer.concat([sealed.subarray(0, -IMAGE_KEY_BYTES), other.subarray(-IMAGE_KEY_BYTES)]);
    expect(() => openImage(without, keyOf(pair), subject)).toThrow(broken);
  });
});
