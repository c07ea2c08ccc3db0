import { expect, it } from 'vitest';

import { entry, template } from '../conformance/samples.js';
import { CodeArena } from './code-arena.js';
import { Ledger } from './ledger.js';
import { codeBytesFor, largestCodeBytes, memoryFor } from './memory.js';
import { Partition, roomFor } from './partition.js';

const dimension = 32;
const stored = template(new Float32Array(dimension).fill(1));
const entries = (count: number) => Array.from({ length: count }, (_, number) => entry(number, number, stored));

it('states the room that a partition takes, whatever its size', () => {
  const { spaceId, keyId, codec, scale } = stored;
  const partition = new Partition(new CodeArena(), { spaceId, keyId, dimension });
  const memory = new SharedArrayBuffer(dimension);
  new Uint8Array(memory).set(stored.data);
  for (const enrolled of entries(4200)) {
    partition.upsert({ ...enrolled, codec, scale, memory, offset: 0 });
    if (![1, 64, 65, 1024, 1025, 4096, 4097].includes(partition.size)) continue;
    const room = partition.blocks.reduce((sum, { capacity }) => sum + capacity, 0);
    expect(room).toBe(roomFor(partition.size));
  }
});

it('says what a million templates of 512 components need: less than 3 GB', () => {
  const bytes = memoryFor([{ templates: 1_000_000, dimension: 512 }]);
  expect(bytes).toBeGreaterThan(2e9);
  expect(bytes).toBeLessThan(3e9);
  expect(codeBytesFor(1_000_000, 512)).toBeLessThan(largestCodeBytes);
  expect(memoryFor([])).toBeLessThan(1e8);
});

it('refuses what its codes have no room for, and applies nothing of it', () => {
  const ledger = new Ledger(codeBytesFor(256, dimension) + codeBytesFor(64, dimension));
  ledger.upsert(entries(200));
  expect(() => ledger.upsert(entries(280))).toThrow(expect.objectContaining({ code: 'GALLERY.FULL' }));
  expect(ledger.sizes()).toMatchObject([{ templates: 200 }]);
  ledger.upsert(entries(200));
});
