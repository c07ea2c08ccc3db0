import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import { bruteForce } from '../conformance/brute-force.js';
import { entry, near, randomVector, seededRandom, template, templateId } from '../conformance/samples.js';
import type { GalleryEntry, GalleryFilter } from '../gallery.js';
import { BatchScan } from './batch-scan.js';
import { BestRows } from './best-rows.js';
import { CodeArena } from './code-arena.js';
import { codedAsStored, codeProbe, codeTemplate, largestNarrowCode, largestWideCode } from './codes.js';
import { ExactSearch } from './exact-search.js';
import { Partition, rowsPerBlock } from './partition.js';
import { RowScan } from './row-scan.js';

const arena = new CodeArena();
const exactSearch = await ExactSearch.open(arena);

function partitionOf(entries: readonly GalleryEntry[], dimension: number): Partition {
  const { spaceId, keyId } = template(new Float32Array(dimension).fill(1));
  const partition = new Partition(arena, { spaceId, keyId, dimension });
  for (const enrolled of entries) {
    const { data, codec, scale } = enrolled.template;
    const memory = new SharedArrayBuffer(data.length + 3);
    new Uint8Array(memory, 3).set(data);
    partition.upsert({ ...enrolled, codec, scale, memory, offset: 3 });
  }
  return partition;
}

interface Question {
  readonly probe: Template;
  readonly limit: number;
  readonly filter?: GalleryFilter | undefined;
}

async function expectBruteForce(
  entries: readonly GalleryEntry[],
  partition: Partition,
  questions: readonly Question[],
) {
  const probes = questions.map(({ probe, ...wanted }) => ({ vector: decodeTemplate(probe), ...wanted }));
  const found = await exactSearch.search(partition, probes);
  // Scores too: equal to the last bit.
  expect(found).toEqual(questions.map(({ probe, limit, filter }) => bruteForce(entries, probe, limit, filter)));
}

const codec = fc.constantFrom('int8' as const, 'float16' as const);
const names = ['a', 'b', 'c'];
const filter = fc.option(
  fc.record(
    { site: fc.constantFrom(...names), groups: fc.subarray(names) },
    // Either, both or none.
    { requiredKeys: [] },
  ),
  { nil: undefined },
);

describe('an exact search', () => {
  it('equals brute force on vectors however close, of any codec, dimension, number of templates a person and filter', async () => {
    const scene = fc.record({
      seed: fc.nat(),
      dimension: fc.integer({ min: 1, max: 40 }),
      templates: fc.integer({ min: 1, max: 300 }),
      removed: fc.integer({ min: 0, max: 40 }),
      people: fc.integer({ min: 1, max: 60 }),
      wanted: fc.array(fc.record({ limit: fc.integer({ min: 1, max: 12 }), filter }), { minLength: 1, maxLength: 8 }),
      // From bit-equal neighbours, over neighbours within one code, to strangers.
      spread: fc.constantFrom(0, 1e-5, 1e-3, 0.02, 0.3, 10),
      codecs: fc.array(codec, { minLength: 1, maxLength: 3 }),
      share: fc.constantFrom(0, 0.05, 0.5),
    });
    await fc.assert(
      fc.asyncProperty(
        scene,
        async ({ seed, dimension, templates, removed, people, wanted, spread, codecs, share }) => {
          const random = seededRandom(seed);
          const face = randomVector(random, dimension);
          const some = (): string[] => names.filter(() => random() < share);
          const shot = (number: number): Template =>
            template(near(random, face, spread), { codec: codecs[number % codecs.length] ?? 'int8' });
          const entries = Array.from({ length: templates }, (_, number) =>
            entry(number, Math.floor(random() * people), shot(number), { sites: some(), groups: some() }),
          );
          const partition = partitionOf(entries, dimension);
          for (let number = 0; number < removed; number += 1) partition.remove(templateId(number));
          const questions = wanted.map((question, number) => ({ ...question, probe: shot(number) }));
          await expectBruteForce(entries.slice(removed), partition, questions);
          for (const { templateId: left } of entries) partition.remove(left);
          expect([partition.size, partition.people, partition.blocks]).toEqual([0, 0, []]);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('finds the best row even when the codes rank hundreds of worse ones before it', async () => {
    // The small components vanish in the codes of the templates, which differ in nothing else.
    const dimension = 64;
    const random = seededRandom(11);
    const direction = new Float32Array(dimension).fill(0.003);
    direction[0] = 1;
    const probe = template(direction, { codec: 'float16' });
    const entries = Array.from({ length: 600 }, (_, number) => {
      const vector = direction.map((component, at) => (at === 0 ? 1 : component * (random() - 0.5) * 2));
      return entry(number, number, template(number === 417 ? direction : vector, { codec: 'float16' }));
    });
    const partition = partitionOf(entries, dimension);
    for (const limit of [1, 5]) {
      await expectBruteForce(entries, partition, [{ probe, limit }]);
      await expectBruteForce(entries, partition, new Array<Question>(6).fill({ probe, limit }));
    }
  });

  it('stays exact across blocks, and when removals empty one', async () => {
    const dimension = 8;
    const random = seededRandom(12);
    const count = rowsPerBlock + 300;
    const entries = Array.from({ length: count }, (_, number) =>
      entry(number, number, template(randomVector(random, dimension)), { groups: number % 50 ? [] : ['few'] }),
    );
    const partition = partitionOf(entries, dimension);
    expect(partition.blocks).toHaveLength(2);
    const questions = Array.from({ length: 6 }, (_, number): Question => {
      const probe = template(randomVector(random, dimension));
      return { probe, limit: 3, ...(number === 5 && { filter: { groups: ['few'] } }) };
    });
    const search = async (left: readonly GalleryEntry[]): Promise<void> => {
      await expectBruteForce(left, partition, questions);
      await expectBruteForce(left, partition, questions.slice(0, 1));
    };
    await search(entries);
    for (let number = 0; number < 400; number += 1) partition.remove(templateId(number));
    expect(partition.blocks).toHaveLength(1);
    expect(partition.size).toBe(count - 400);
    await search(entries.slice(400));
    expect(partition.people).toBe(count - 400);
  });
});

describe('a scan', () => {
  const dimension = 512;
  const codes = [127, -127, 1, -1, -128];
  const entries = codes.map((code, number) => {
    const sound = template(new Float32Array(dimension).fill(1));
    return entry(number, number, { ...sound, data: new Uint8Array(dimension).fill(code) });
  });
  const partition = partitionOf(entries, dimension);
  const boundsOf = (best: BestRows): number[] => {
    const bounds = new Map(best.ranked().map(({ row, bound }) => [row, bound]));
    return codes.map((_, row) => bounds.get(row) ?? NaN);
  };

  it('multiplies exactly at the extremes of its codes, where 16 and 32 bits would overflow', async () => {
    const batch = await BatchScan.open(arena);
    for (const sign of [1, -1]) {
      const vector = new Float32Array(dimension).fill(sign);
      const expected = codes.map((code) => sign * Math.sign(code));
      const [alone, together] = [new BestRows(codes.length), new BestRows(codes.length)];
      new RowScan(arena).offer(partition, RowScan.code(vector), {}, alone);
      await batch.offer(partition, [{ coded: BatchScan.code(vector), best: together }]);
      for (const best of [alone, together]) {
        boundsOf(best).forEach((bound, row) => expect(bound).toBeCloseTo(expected[row] ?? NaN, 6));
      }
    }
  });
});

describe('the memory of codes', () => {
  it('grows without moving what it holds, and hands out again, as zeros, what was given back', () => {
    const own = new CodeArena();
    const first = own.allocate(100);
    own.bytes.fill(7, first, first + 100);
    const large = own.allocate(9_000_000);
    expect(own.bytes.slice(first, first + 100)).toEqual(new Uint8Array(100).fill(7));
    own.bytes.fill(9, large, large + 9_000_000);
    own.release(first, 100);
    expect(own.allocate(120)).toBe(first);
    expect(own.bytes.slice(first, first + 128)).toEqual(new Uint8Array(128));
    expect(() => own.allocate(2 ** 32)).toThrow(expect.objectContaining({ code: 'GALLERY.FULL' }));
  });
});

describe('the bound of a coded comparison', () => {
  it('holds for any two vectors, of whatever size the codes are', () => {
    const vector = fc
      .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 24, maxLength: 24 })
      .filter((components) => Math.hypot(...components) > 1e-3)
      .map((components) => Float32Array.from(components));
    const largest = fc.constantFrom(largestNarrowCode, largestWideCode(24));
    fc.assert(
      fc.property(vector, vector, codec, largest, (a, b, storedAs, largestCode) => {
        const [probe, stored] = [template(a, { codec: 'float16' }), template(b, { codec: storedAs })];
        const p = codeProbe(decodeTemplate(probe), largestCode);
        const t =
          storedAs === 'int8'
            ? codedAsStored(new Int8Array(stored.data.buffer, stored.data.byteOffset, stored.data.length))
            : codeTemplate(decodeTemplate(stored));
        const dot = p.codes.reduce((sum, code, index) => sum + code * (t.codes[index] ?? 0), 0);
        const [score] = bruteForce([entry(1, 1, stored)], probe, 1);
        const error = Math.abs(p.weight * t.weight * dot - (score?.score ?? NaN));
        expect(error).toBeLessThanOrEqual(p.residual + p.codedLength * t.residual + 1e-6);
        expect(Math.max(...p.codes.map(Math.abs))).toBe(largestCode);
      }),
      { numRuns: 500 },
    );
  });
});
