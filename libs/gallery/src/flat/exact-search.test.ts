import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import { bruteForce } from '../conformance/brute-force.js';
import { entry, near, randomVector, seededRandom, template, templateId } from '../conformance/samples.js';
import type { GalleryEntry } from '../gallery.js';
import { CodeBlock } from './code-block.js';
import { codeProbe, codeTemplate, largestProbeCode } from './codes.js';
import { searchExactly } from './exact-search.js';
import { Partition, rowsPerBlock } from './partition.js';
import { openScanner, probeOffset } from './scanner.js';

const scanner = await openScanner();

function partitionOf(entries: readonly GalleryEntry[], dimension: number): Partition {
  const { spaceId, keyId } = template(new Float32Array(dimension).fill(1));
  const partition = new Partition({ spaceId, keyId, dimension });
  for (const { template: stored, ...ids } of entries) partition.upsert({ ...ids, ...stored });
  return partition;
}

async function expectBruteForce(entries: readonly GalleryEntry[], probes: readonly Template[], limit: number) {
  const partition = partitionOf(entries, probes[0]?.dimension ?? 1);
  const vectors = probes.map((probe) => ({ vector: decodeTemplate(probe), limit }));
  const found = await searchExactly(scanner, partition, vectors);
  // Scores too: equal to the last bit.
  expect(found).toEqual(probes.map((probe) => bruteForce(entries, probe, limit)));
}

const codec = fc.constantFrom('int8' as const, 'float16' as const);

describe('searchExactly', () => {
  it('equals brute force on vectors however close, of any codec, dimension and number of templates a person', async () => {
    const scene = fc.record({
      seed: fc.nat(),
      dimension: fc.integer({ min: 1, max: 40 }),
      templates: fc.integer({ min: 1, max: 200 }),
      people: fc.integer({ min: 1, max: 60 }),
      limit: fc.integer({ min: 1, max: 12 }),
      probes: fc.integer({ min: 1, max: 6 }),
      // From bit-equal neighbours, over neighbours within one code, to strangers.
      spread: fc.constantFrom(0, 1e-5, 1e-3, 0.02, 0.3, 10),
      codecs: fc.array(codec, { minLength: 1, maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ seed, dimension, templates, people, limit, probes, spread, codecs }) => {
        const random = seededRandom(seed);
        const face = randomVector(random, dimension);
        const shot = (number: number): Template =>
          template(near(random, face, spread), { codec: codecs[number % codecs.length] ?? 'int8' });
        const entries = Array.from({ length: templates }, (_, number) =>
          entry(number, Math.floor(random() * people), shot(number)),
        );
        await expectBruteForce(
          entries,
          Array.from({ length: probes }, (_, number) => shot(number)),
          limit,
        );
      }),
      { numRuns: 150 },
    );
  });

  it('finds the best row even when the codes rank hundreds of worse ones before it', async () => {
    // The probe's small components vanish in its codes; the templates differ in nothing else.
    const dimension = 64;
    const random = seededRandom(11);
    const direction = new Float32Array(dimension).fill(0.004);
    direction[0] = 1;
    const probe = template(direction, { codec: 'float16' });
    const entries = Array.from({ length: 600 }, (_, number) => {
      const vector = direction.map((component, at) => (at === 0 ? 1 : component * (random() - 0.5) * 2));
      return entry(number, number, template(number === 417 ? direction : vector, { codec: 'float16' }));
    });
    await expectBruteForce(entries, [probe], 1);
    await expectBruteForce(entries, [probe], 5);
  });

  it('stays exact across blocks, and when removals empty one', async () => {
    const dimension = 8;
    const random = seededRandom(12);
    const count = rowsPerBlock + 300;
    const entries = Array.from({ length: count }, (_, number) =>
      entry(number, number, template(randomVector(random, dimension))),
    );
    const partition = partitionOf(entries, dimension);
    expect(partition.blocks).toHaveLength(2);
    const probe = template(randomVector(random, dimension));
    const search = async (left: readonly GalleryEntry[]): Promise<void> => {
      const [found] = await searchExactly(scanner, partition, [{ vector: decodeTemplate(probe), limit: 3 }]);
      expect(found).toEqual(bruteForce(left, probe, 3));
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
  it('multiplies exactly at the extremes of its codes, where 16-bit arithmetic would saturate', async () => {
    const dimension = 512;
    const block = new CodeBlock(dimension, 64);
    const signs = [1, -1].flatMap((sign) => [127, 128, 1].map((code) => sign * code));
    signs.forEach((code, column) => {
      block.put(column, { codes: new Int8Array(dimension).fill(code), weight: 1, residual: 0, codedLength: 1 });
    });
    for (const probes of [1, 5]) {
      for (const code of [largestProbeCode, -largestProbeCode]) {
        const coded = { codes: new Int8Array(dimension).fill(code), weight: 1, residual: 0, codedLength: 1 };
        const scans = await scanner.scan(new Array(probes).fill(coded) as (typeof coded)[], block);
        expect(scans).toHaveLength(probes);
        for (const products of scans) {
          block.sums.forEach((sum, column) => {
            expect((products[column] ?? NaN) - probeOffset * sum).toBe(code * sum + 0);
          });
        }
      }
    }
  });
});

describe('the bound of a coded comparison', () => {
  it('holds for any two vectors', () => {
    const vector = fc
      .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 24, maxLength: 24 })
      .filter((components) => Math.hypot(...components) > 1e-3)
      .map((components) => Float32Array.from(components));
    fc.assert(
      fc.property(vector, vector, codec, (a, b, storedAs) => {
        const [probe, stored] = [template(a, { codec: 'float16' }), template(b, { codec: storedAs })];
        const p = codeProbe(decodeTemplate(probe));
        const t = codeTemplate(decodeTemplate(stored), ...(storedAs === 'int8' ? [stored.scale] : []));
        const dot = p.codes.reduce((sum, code, index) => sum + code * (t.codes[index] ?? 0), 0);
        const [score] = bruteForce([entry(1, 1, stored)], probe, 1);
        const error = Math.abs(p.weight * t.weight * dot - (score?.score ?? NaN));
        expect(error).toBeLessThanOrEqual(p.residual + p.codedLength * t.residual + 1e-6);
        if (storedAs === 'int8') expect(t.residual).toBeLessThan(1e-6);
        expect(Math.max(...p.codes.map(Math.abs))).toBe(largestProbeCode);
      }),
      { numRuns: 500 },
    );
  });
});
