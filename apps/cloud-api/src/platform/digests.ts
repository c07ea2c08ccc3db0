import { createHash, timingSafeEqual } from 'node:crypto';

/** 32 bytes. */
export function sha256(bytes: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

/** Compares two digests in a time that does not depend on where they differ. */
export function digestsEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
