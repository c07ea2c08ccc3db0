import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

// DER, as far as a request needs it: X.690, sections 8 and 10.
const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
/** [0], constructed: the attributes of a request. */
const ATTRIBUTES = 0xa0;
/** OBJECT IDENTIFIER 2.5.4.3, commonName. */
const COMMON_NAME = Buffer.of(0x06, 0x03, 0x55, 0x04, 0x03);
/** OBJECT IDENTIFIER 1.2.840.10045.4.3.2, ecdsa-with-SHA256. */
const ECDSA_WITH_SHA256 = Buffer.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);

/** A new private key of a box, ECDSA on P-256. */
export function newDeviceKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/**
 * A certificate request (PKCS #10, RFC 2986) for a key, signed by it.
 *
 * @param privateKey ECDSA on P-256
 * @returns DER
 */
export function certificateRequest(username: string, privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(username)))));
  const version = der(INTEGER, Buffer.of(0));
  const content = der(SEQUENCE, version, name, spki, der(ATTRIBUTES));
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', content, privateKey));
  return der(SEQUENCE, content, der(SEQUENCE, ECDSA_WITH_SHA256), signature);
}

/** The PEM text of a request (RFC 7468, section 7). */
export function requestPem(request: Uint8Array): string {
  const lines =
    Buffer.from(request)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}

/** A private key as it is kept: PKCS #8, PEM. */
export function keyPem(privateKey: KeyObject): string {
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag, ...derLength(content.length)), content]);
}

function derLength(length: number): readonly number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}
