import { createPublicKey, generateKeyPairSync } from 'node:crypto';

import { isAppError } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { createSealer, openWithPrivateKey, sealToKey } from './sealing.js';

const secret = new Uint8Array(32).fill(7);
const plain = Buffer.from('whose template it is');
const sealer = createSealer(secret, 'test');

function codeOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return isAppError(error) ? error.code : error;
  }
}

describe('a sealer', () => {
  it('opens what it sealed, which tells nothing and differs each time', () => {
    const [one, other] = [sealer.seal(plain, 'row 1'), sealer.seal(plain, 'row 1')];
    expect(sealer.open(one, 'row 1')).toEqual(new Uint8Array(plain));
    expect(one).not.toEqual(other);
    expect(Buffer.from(one).includes(plain)).toBe(false);
    expect(sealer.open(sealer.seal(new Uint8Array(0), ''), '')).toEqual(new Uint8Array(0));
  });

  it('opens nothing that was changed, cut, moved, or sealed by another secret or for another purpose', () => {
    const sealed = sealer.seal(plain, 'row 1');
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte));
      expect(codeOf(() => sealer.open(changed, 'row 1'))).toBe('SEALING.BROKEN');
      expect(codeOf(() => sealer.open(sealed.subarray(0, index), 'row 1'))).toBe('SEALING.BROKEN');
    }
    expect(codeOf(() => sealer.open(sealed, 'row 2'))).toBe('SEALING.BROKEN');
    for (const other of [createSealer(secret, 'other'), createSealer(new Uint8Array(32), 'test')]) {
      expect(codeOf(() => other.open(sealed, 'row 1'))).toBe('SEALING.BROKEN');
      expect(other.name('person')).not.toEqual(sealer.name('person'));
    }
  });

  it('names equal texts equally', () => {
    expect(sealer.name('person')).toEqual(createSealer(secret, 'test').name('person'));
    expect(sealer.name('person')).toHaveLength(32);
    expect(sealer.name('another')).not.toEqual(sealer.name('person'));
  });

  it('refuses a secret of another length', () => {
    expect(codeOf(() => createSealer(new Uint8Array(31), 'test'))).toBe('SEALING.INVALID_SECRET');
  });
});

describe('what is sealed to a key', () => {
  const pair = (): ReturnType<typeof generateKeyPairSync> => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const { publicKey, privateKey } = pair();

  it('opens with its private key, differs each time, and tells nothing', () => {
    const [one, other] = [sealToKey(publicKey, plain, 'box 1'), sealToKey(publicKey, plain, 'box 1')];
    expect(openWithPrivateKey(privateKey, one, 'box 1')).toEqual(new Uint8Array(plain));
    expect(openWithPrivateKey(privateKey, other, 'box 1')).toEqual(new Uint8Array(plain));
    expect(one.ephemeralPublicKey).not.toEqual(other.ephemeralPublicKey);
    expect(Buffer.from(one.sealed).includes(plain)).toBe(false);
  });

  it('opens with no other key, under no other context, and not when it was changed', () => {
    const message = sealToKey(publicKey, plain, 'box 1');
    const swapped = { ...message, ephemeralPublicKey: sealToKey(publicKey, plain, 'box 1').ephemeralPublicKey };
    const changed = { ...message, sealed: message.sealed.map((byte, index) => (index === 20 ? byte ^ 1 : byte)) };
    expect(codeOf(() => openWithPrivateKey(pair().privateKey, message, 'box 1'))).toBe('SEALING.BROKEN');
    expect(codeOf(() => openWithPrivateKey(privateKey, message, 'box 2'))).toBe('SEALING.BROKEN');
    expect(codeOf(() => openWithPrivateKey(privateKey, swapped, 'box 1'))).toBe('SEALING.BROKEN');
    expect(codeOf(() => openWithPrivateKey(privateKey, changed, 'box 1'))).toBe('SEALING.BROKEN');
    const nonsense = { ...message, ephemeralPublicKey: new Uint8Array(8) };
    expect(codeOf(() => openWithPrivateKey(privateKey, nonsense, 'box 1'))).toBe('SEALING.BROKEN');
  });

  it('is of one curve', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    expect(() => sealToKey(createPublicKey(other.privateKey), plain, 'box 1')).toThrow();
  });
});
