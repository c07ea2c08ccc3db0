import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PacketLengthMeter } from './packet-length.js';

/** A packet with the given remaining length: type PUBLISH, length as in section 2.2.3 of MQTT 3.1.1. */
function packet(length: number): number[] {
  const bytes = [0x30];
  let rest = length;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  return [...bytes, ...new Array<number>(length).fill(0xff)];
}

function feedInChunks(bytes: readonly number[], chunkLength: number, limit: number): number | undefined {
  const meter = new PacketLengthMeter();
  for (let start = 0; start < bytes.length; start += chunkLength) {
    const excess = meter.feed(Uint8Array.from(bytes.slice(start, start + chunkLength)), () => limit);
    if (excess !== undefined) return excess;
  }
  return undefined;
}

describe('PacketLengthMeter', () => {
  it('finds exactly the packets over the limit, however the stream is cut', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 64 }), (all, chunkLength) => {
        const bytes = all.flatMap(packet);
        expect(feedInChunks(bytes, chunkLength, 200)).toBe(all.find((length) => length > 200));
      }),
    );
  });

  it('sees a length before any byte of the body has come', () => {
    expect(new PacketLengthMeter().feed(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f), () => 1_000_000)).toBe(
      268_435_455,
    );
  });

  it('refuses a length of more than four bytes', () => {
    expect(new PacketLengthMeter().feed(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01), () => 1e9)).toBe(Infinity);
  });

  it('asks for the limit of each packet by its number', () => {
    const meter = new PacketLengthMeter();
    const limit = (number: number): number => (number === 0 ? 10 : 100);
    expect(meter.feed(Uint8Array.from([...packet(10), ...packet(100)]), limit)).toBeUndefined();
    expect(meter.feed(Uint8Array.from(packet(101)), limit)).toBe(101);
  });
});
