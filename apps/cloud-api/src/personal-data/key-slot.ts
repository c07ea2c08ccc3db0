import { crc32 } from 'node:zlib';

/** Bytes of a slot: it never crosses a sector (512), so that a disk writes it whole or not at all. */
export const SLOT_BYTES = 128;
/** Bytes of a wrapped key of 32 bytes: nonce (12) || ciphertext || tag (16). */
export const WRAPPED_BYTES = 60;

const NAME_AT = 4;
const WRAPPED_AT = NAME_AT + 32;
const WRAPPED_END = WRAPPED_AT + WRAPPED_BYTES;
const CHECKSUM_AT = SLOT_BYTES - 4;

const states = { key: 1, destroyed: 2, void: 3 } as const;

export type Slot =
  | { readonly state: 'key'; readonly name: string; readonly wrapped: Uint8Array }
  | { readonly state: 'destroyed'; readonly name: string }
  /** Torn by a crash before its key was ever used. */
  | { readonly state: 'void' }
  /** Not whole: still being written, or torn. */
  | { readonly state: 'broken' };

/** state (1) || zeros (3) || name (32) || wrapped key, zeros once destroyed (60) || zeros (28) || CRC-32 of all before (4) */
export function encodeSlot(slot: Exclude<Slot, { readonly state: 'broken' }>): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes[0] = states[slot.state];
  if (slot.state !== 'void') bytes.write(slot.name, NAME_AT, 32, 'hex');
  if (slot.state === 'key') bytes.set(slot.wrapped, WRAPPED_AT);
  bytes.writeUInt32LE(checksum(bytes), CHECKSUM_AT);
  return bytes;
}

/** @param bytes at least `SLOT_BYTES`; what is kept of it is a copy */
export function decodeSlot(bytes: Buffer): Slot {
  if (checksum(bytes) !== bytes.readUInt32LE(CHECKSUM_AT)) return { state: 'broken' };
  const name = bytes.toString('hex', NAME_AT, WRAPPED_AT);
  switch (bytes[0]) {
    case states.key:
      return { state: 'key', name, wrapped: new Uint8Array(bytes.subarray(WRAPPED_AT, WRAPPED_END)) };
    case states.destroyed:
      return { state: 'destroyed', name };
    case states.void:
      return { state: 'void' };
    default:
      return { state: 'broken' };
  }
}

/** Tells a slot that was torn; against changes on purpose the keys themselves are sealed. */
const checksum = (bytes: Buffer): number => crc32(bytes.subarray(0, CHECKSUM_AT));
