import { createHash } from 'node:crypto';

/** Bytes of a slot: it never crosses a sector (512), so that a disk writes it whole or not at all. */
export const SLOT_BYTES = 128;
/** Bytes of a wrapped key of 32 bytes: nonce (12) || ciphertext || tag (16). */
export const WRAPPED_BYTES = 60;

const NAME_AT = 4;
const WRAPPED_AT = NAME_AT + 32;
const CHECKSUM_AT = WRAPPED_AT + WRAPPED_BYTES;

const states = { key: 1, destroyed: 2, void: 3 } as const;

export type Slot =
  | { readonly state: 'key'; readonly name: string; readonly wrapped: Uint8Array }
  | { readonly state: 'destroyed'; readonly name: string }
  /** Torn by a crash before its key was ever used. */
  | { readonly state: 'void' }
  /** Not whole: still being written, or torn. */
  | { readonly state: 'broken' };

/** state (1) || zeros (3) || name (32) || wrapped key, zeros once destroyed (60) || SHA-256 of all before (32) */
export function encodeSlot(slot: Exclude<Slot, { readonly state: 'broken' }>): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes[0] = states[slot.state];
  if (slot.state !== 'void') bytes.write(slot.name, NAME_AT, 32, 'hex');
  if (slot.state === 'key') bytes.set(slot.wrapped, WRAPPED_AT);
  bytes.set(checksum(bytes), CHECKSUM_AT);
  return bytes;
}

/** @param bytes at least `SLOT_BYTES`; what is kept of it is a copy */
export function decodeSlot(bytes: Buffer): Slot {
  if (!checksum(bytes).equals(bytes.subarray(CHECKSUM_AT, SLOT_BYTES))) return { state: 'broken' };
  const name = bytes.toString('hex', NAME_AT, WRAPPED_AT);
  switch (bytes[0]) {
    case states.key:
      return { state: 'key', name, wrapped: new Uint8Array(bytes.subarray(WRAPPED_AT, CHECKSUM_AT)) };
    case states.destroyed:
      return { state: 'destroyed', name };
    case states.void:
      return { state: 'void' };
    default:
      return { state: 'broken' };
  }
}

const checksum = (bytes: Buffer): Buffer => createHash('sha256').update(bytes.subarray(0, CHECKSUM_AT)).digest();
