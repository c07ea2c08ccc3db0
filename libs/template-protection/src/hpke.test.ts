import { createPrivateKey, generateKeyPairSync } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { hpkeOpen, hpkeSeal, newX25519KeyPair, x25519PublicKey, type HpkeCipher } from './hpke.js';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const base64url = (text: string): string => Buffer.from(text, 'hex').toString('base64url');
const AES_128_GCM: HpkeCipher = { id: 0x0001, name: 'aes-128-gcm', keyBytes: 16 };
const binding = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  aad: hex('436f756e742d30'),
  cipher: AES_128_GCM,
};
const plain = hex('4265617574792069732074727574682c20747275746820626561757479');

describe('hybrid public key encryption', () => {
  it('opens the test vector of RFC 9180, A.1.1: X25519', () => {
    const jwk = {
      ...{ kty: 'OKP', crv: 'X25519' },
      d: base64url('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8'),
      x: base64url('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d'),
    };
    const message = {
      encapsulatedKey: hex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
      ciphertext: hex('f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a'),
    };
    expect(hpkeOpen(createPrivateKey({ key: jwk, format: 'jwk' }), message, binding)).toEqual(plain);
  });

  it('opens the test vector of RFC 9180, A.3.1: P-256', () => {
    const jwk = {
      ...{ kty: 'EC', crv: 'P-256' },
      d: base64url('f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2'),
      x: base64url('fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82'),
      y: base64url('6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0'),
    };
    const message = {
      encapsulatedKey: hex(
        '04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4',
      ),
      ciphertext: hex('5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434'),
    };
    expect(hpkeOpen(createPrivateKey({ key: jwk, format: 'jwk' }), message, binding)).toEqual(plain);
  });

  it('seals on either curve, each time to another key, with AES-256-GCM', () => {
    const { info, aad } = binding;
    for (const { publicKey, privateKey } of [
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
    ]) {
      const [one, other] = [hpkeSeal(publicKey, plain, { info, aad }), hpkeSeal(publicKey, plain, { info, aad })];
      expect(one.encapsulatedKey).not.toEqual(other.encapsulatedKey);
      expect(hpkeOpen(privateKey, one, { info, aad })).toEqual(plain);
      expect(() => hpkeOpen(privateKey, one, binding)).toThrow(expect.objectContaining({ code: 'SEALING.BROKEN' }));
    }
  });

  it('takes keys as their bytes, and no others', () => {
    const { publicKey, privateKey } = newX25519KeyPair();
    const own = createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
    const { info, aad } = binding;
    expect(hpkeOpen(own, hpkeSeal(x25519PublicKey(publicKey), plain, { info, aad }), { info, aad })).toEqual(plain);
    const invalid = expect.objectContaining({ code: 'SEALING.INVALID_KEY' }) as Error;
    expect(() => x25519PublicKey(publicKey.subarray(1))).toThrow(invalid);
    const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey;
    expect(() => hpkeSeal(other, plain, { info, aad })).toThrow(invalid);
  });

  it('opens nothing whose encapsulated key is of low order: the secret would be known to all (7.1.4)', () => {
    const { privateKey } = generateKeyPairSync('x25519');
    const message = { encapsulatedKey: new Uint8Array(32), ciphertext: new Uint8Array(40) };
    expect(() => hpkeOpen(privateKey, message, binding)).toThrow(expect.objectContaining({ code: 'SEALING.BROKEN' }));
  });
});
