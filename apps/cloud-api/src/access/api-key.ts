import { createHash, timingSafeEqual } from 'node:crypto';

/** Characters of a key that are kept to recognise it by. */
const PREFIX_LENGTH = 6;

export interface HashedApiKey {
  readonly prefix: string;
  readonly sha256: Uint8Array;
}

export function sha256(bytes: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

/** What is stored of an API key. A key is long and random, so that a fast hash is enough. */
export function hashApiKey(key: string): HashedApiKey {
  return { prefix: key.slice(0, PREFIX_LENGTH), sha256: sha256(key) };
}

/** Compares two digests in a time that does not depend on where they differ. */
export function digestsEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The token of `Authorization: Bearer …` (RFC 6750, 2.1), or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header ?? '')?.[1];
}
