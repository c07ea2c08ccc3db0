import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { sha256 } from '../platform/digests.js';

/** Characters of a key that are kept to recognise it by. */
const PREFIX_LENGTH = 10;
/** How our own keys begin, so that a scanner of leaked secrets can tell them. */
const MARK = 'slk_';
/** 32 random bytes in base64url, then the CRC-32 of all before it in hexadecimal. */
const ownKey = /^slk_[A-Za-z0-9_-]{43}[0-9a-f]{8}$/;

export interface HashedApiKey {
  readonly prefix: string;
  readonly sha256: Uint8Array;
}

/** A new key of 256 random bits, with a checksum: `slk_`, 43 characters, 8 hexadecimal digits. */
export function newApiKey(): string {
  const body = MARK + randomBytes(32).toString('base64url');
  return body + checksumOf(body);
}

/** Whether a key says that it is one of ours and has lost or changed a character since: nothing needs to be looked up. */
export function isMistyped(key: string): boolean {
  return key.startsWith(MARK) && !(ownKey.test(key) && key.endsWith(checksumOf(key.slice(0, -8))));
}

const checksumOf = (text: string): string => crc32(text).toString(16).padStart(8, '0');

/** What is stored of an API key. A key is long and random, so that a fast hash is enough. */
export function hashApiKey(key: string): HashedApiKey {
  return { prefix: key.slice(0, key.startsWith(MARK) ? PREFIX_LENGTH : 6), sha256: sha256(key) };
}

/** What `Authorization: Basic …` says (RFC 7617, 2), or undefined: a device's own name and password. */
export function basicCredentials(
  header: string | undefined,
): { readonly username: string; readonly password: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(header ?? '')?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon > 0 ? { username: text.slice(0, colon), password: text.slice(colon + 1) } : undefined;
}
