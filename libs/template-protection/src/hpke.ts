import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

import { AppError } from '@sightline/kernel';

// Hybrid public key encryption, RFC 9180: base mode, one message for each encapsulated key. The clauses that are named
// here are its own. Keys may be on X25519 (0x0020) or P-256 (0x0010); the rest is HKDF-SHA256 and AES-GCM.

interface Kem {
  readonly id: number;
  readonly curve: 'x25519' | 'prime256v1';
  /** Bytes of an encapsulated key. */
  readonly length: number;
}

const X25519: Kem = { id: 0x0020, curve: 'x25519', length: 32 };
const P256: Kem = { id: 0x0010, curve: 'prime256v1', length: 65 };
const KDF_ID = 0x0001;
const HASH_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The cipher of a suite. AES-256-GCM is what we seal with; RFC 9180 has its test vectors for AES-128-GCM. */
export interface HpkeCipher {
  readonly id: number;
  readonly name: 'aes-128-gcm' | 'aes-256-gcm';
  readonly keyBytes: number;
}
const AES_256_GCM: HpkeCipher = { id: 0x0002, name: 'aes-256-gcm', keyBytes: 32 };

/** What a message is bound to: it opens under the same two alone. */
export interface HpkeBinding {
  /** What the message is for. */
  readonly info: Uint8Array;
  /** Authenticated along with it. */
  readonly aad: Uint8Array;
  readonly cipher?: HpkeCipher;
}

/** What a holder of a private key alone can open. */
interface HpkeMessage {
  /** `enc`: a public key made for this one message, as RFC 9180 serialises it (7.1.1): 32 bytes on X25519, 65 on P-256. */
  readonly encapsulatedKey: Uint8Array;
  /** With a tag of 16 bytes. */
  readonly ciphertext: Uint8Array;
}

/**
 * Seals for the holder of a private key (6.1, `SealBase`).
 *
 * @param publicKey on X25519 or P-256
 * @throws AppError `SEALING.INVALID_KEY` for a key on another curve
 */
export function hpkeSeal(
  publicKey: KeyObject,
  plain: Uint8Array,
  { info, aad, cipher = AES_256_GCM }: HpkeBinding,
): HpkeMessage {
  const kem = kemOf(publicKey);
  const ephemeral =
    kem === X25519 ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: P256.curve });
  const encapsulatedKey = serialise(ephemeral.publicKey);
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
  const { key, nonce } = schedule(kem, cipher, { secret, encapsulatedKey, recipient: serialise(publicKey), info });
  const sealing = createCipheriv(cipher.name, key, nonce).setAAD(aad);
  const ciphertext = Buffer.concat([sealing.update(plain), sealing.final(), sealing.getAuthTag()]);
  return { encapsulatedKey, ciphertext: new Uint8Array(ciphertext) };
}

/**
 * Opens what was sealed to a key (6.1, `OpenBase`).
 *
 * @throws AppError `SEALING.BROKEN` with another key, for another purpose, or when it was changed
 */
export function hpkeOpen(
  privateKey: KeyObject,
  { encapsulatedKey, ciphertext }: HpkeMessage,
  { info, aad, cipher = AES_256_GCM }: HpkeBinding,
): Uint8Array {
  try {
    const own = createPublicKey(privateKey);
    const kem = kemOf(own);
    const secret = diffieHellman({ privateKey, publicKey: deserialise(kem, encapsulatedKey) });
    const { key, nonce } = schedule(kem, cipher, { secret, encapsulatedKey, recipient: serialise(own), info });
    const opening = createDecipheriv(cipher.name, key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
    opening.setAuthTag(ciphertext.subarray(-TAG_BYTES));
    const plain = Buffer.concat([opening.update(ciphertext.subarray(0, -TAG_BYTES)), opening.final()]);
    return new Uint8Array(plain);
  } catch (cause) {
    throw new AppError('SEALING.BROKEN', 'What was sealed does not open.', { cause });
  }
}

/**
 * A public key on X25519 from its 32 bytes.
 *
 * @throws AppError `SEALING.INVALID_KEY`
 */
export function x25519PublicKey(bytes: Uint8Array): KeyObject {
  try {
    return deserialise(X25519, bytes);
  } catch (cause) {
    throw new AppError('SEALING.INVALID_KEY', 'A public key on X25519 has 32 bytes.', { cause });
  }
}

/** A new key pair on X25519. @returns the public half as its 32 bytes, the private one as PKCS #8 (DER) */
export function newX25519KeyPair(): { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return {
    publicKey: serialise(publicKey),
    privateKey: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
  };
}

function kemOf(key: KeyObject): Kem {
  if (key.asymmetricKeyType === 'x25519') return X25519;
  if (key.asymmetricKeyDetails?.namedCurve === P256.curve) return P256;
  throw new AppError('SEALING.INVALID_KEY', 'Keys to seal to are on X25519 or P-256.');
}

/** 7.1.1, `SerializePublicKey`. */
function serialise(key: KeyObject): Uint8Array {
  const { x = '', y } = key.export({ format: 'jwk' });
  const parts = y === undefined ? [bytesOf(x)] : [Uint8Array.of(4), bytesOf(x), bytesOf(y)];
  return new Uint8Array(Buffer.concat(parts));
}

/** 7.1.1, `DeserializePublicKey`. @throws whatever the library says of a point that is none (7.1.4) */
function deserialise(kem: Kem, bytes: Uint8Array): KeyObject {
  if (bytes.length !== kem.length) throw new RangeError(`An encapsulated key has ${kem.length} bytes.`);
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('base64url');
  const jwk =
    kem === X25519
      ? { kty: 'OKP', crv: 'X25519', x: text(0, 32) }
      : { kty: 'EC', crv: 'P-256', x: text(1, 33), y: text(33, 65) };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

interface Agreed {
  /** What both sides have come to by Diffie–Hellman. */
  readonly secret: Uint8Array;
  readonly encapsulatedKey: Uint8Array;
  /** The recipient's public key, serialised. */
  readonly recipient: Uint8Array;
  readonly info: Uint8Array;
}

/** 4.1 (`ExtractAndExpand`) and 5.1 (`KeySchedule`), without a pre-shared key. The first nonce is the base nonce (5.2). */
function schedule(kem: Kem, cipher: HpkeCipher, { secret, encapsulatedKey, recipient, info }: Agreed) {
  const kemSuite = suite('KEM', kem.id);
  const agreed = labeledExtract(kemSuite, empty, 'eae_prk', secret);
  const kemContext = Buffer.concat([encapsulatedKey, recipient]);
  const shared = labeledExpand(kemSuite, agreed, { label: 'shared_secret', info: kemContext, length: HASH_BYTES });
  const hpkeSuite = suite('HPKE', kem.id, KDF_ID, cipher.id);
  const context = Buffer.concat([
    Uint8Array.of(0),
    labeledExtract(hpkeSuite, empty, 'psk_id_hash', empty),
    labeledExtract(hpkeSuite, empty, 'info_hash', info),
  ]);
  const extracted = labeledExtract(hpkeSuite, shared, 'secret', empty);
  const expand = (label: string, length: number): Uint8Array =>
    labeledExpand(hpkeSuite, extracted, { label, info: context, length });
  return { key: expand('key', cipher.keyBytes), nonce: expand('base_nonce', NONCE_BYTES) };
}

const empty = new Uint8Array(0);
const bytesOf = (base64url: string): Uint8Array => new Uint8Array(Buffer.from(base64url, 'base64url'));
const uint16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const suite = (label: string, ...ids: readonly number[]): Uint8Array =>
  Buffer.concat([Buffer.from(label, 'ascii'), ...ids.map(uint16)]);
const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => createHmac('sha256', key).update(data).digest();

/** 4, `LabeledExtract`; RFC 5869, 2.2: no salt is as good as zeroes. */
function labeledExtract(suiteId: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Uint8Array {
  const labeled = Buffer.concat([Buffer.from('HPKE-v1', 'ascii'), suiteId, Buffer.from(label, 'ascii'), input]);
  return hmac(salt.length === 0 ? new Uint8Array(HASH_BYTES) : salt, labeled);
}

/** 4, `LabeledExpand`, of one block (RFC 5869, 2.3): nothing longer than a hash is asked for. */
function labeledExpand(
  suiteId: Uint8Array,
  key: Uint8Array,
  { label, info, length }: { readonly label: string; readonly info: Uint8Array; readonly length: number },
): Uint8Array {
  const name = Buffer.from(label, 'ascii');
  const labeled = [uint16(length), Buffer.from('HPKE-v1', 'ascii'), suiteId, name, info, Uint8Array.of(1)];
  return hmac(key, Buffer.concat(labeled)).subarray(0, length);
}
