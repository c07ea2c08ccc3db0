/**
 * What one message of the protobuf wire format holds, field by field, without making anything of it: a file can be
 * counted through before it is decoded. (Protocol Buffers, "Encoding": varint, 64-bit, length-delimited, 32-bit.)
 */
export interface WireField {
  readonly number: number;
  /** Content of a length-delimited field; the value's own bytes of others. */
  readonly start: number;
  readonly end: number;
  readonly isMessage: boolean;
}

/**
 * Calls `visit` for each field of the message that lies from `start` to `end`.
 *
 * @returns false for what is no protobuf, or ends in the middle
 */
export function scanFields(bytes: Uint8Array, start: number, end: number, visit: (field: WireField) => void): boolean {
  let at = start;
  while (at < end) {
    const tag = varint(bytes, at, end);
    if (tag === undefined) return false;
    const number = Math.floor(tag.value / 8);
    const length = lengthOf(bytes, tag.value % 8, tag.next, end);
    if (number === 0 || length === undefined || length.from + length.bytes > end) return false;
    at = length.from + length.bytes;
    visit({ number, start: length.from, end: at, isMessage: tag.value % 8 === 2 });
  }
  return true;
}

function lengthOf(
  bytes: Uint8Array,
  wireType: number,
  at: number,
  end: number,
): { readonly from: number; readonly bytes: number } | undefined {
  const value = wireType === 0 || wireType === 2 ? varint(bytes, at, end) : undefined;
  switch (wireType) {
    case 0:
      return value && { from: at, bytes: value.next - at };
    case 1:
      return { from: at, bytes: 8 };
    case 2:
      return value && { from: value.next, bytes: value.value };
    case 5:
      return { from: at, bytes: 4 };
    default:
      return undefined;
  }
}

function varint(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let index = 0; index < 10 && start + index < end; index += 1) {
    const byte = bytes[start + index] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: start + index + 1 };
  }
  return undefined;
}
