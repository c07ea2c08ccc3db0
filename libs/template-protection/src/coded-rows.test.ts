import { seededIntegers, type KeyId, type Sha256, type SpaceId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeTemplate, encodeTemplate } from './codec.js';
import { CodedRows } from './coded-rows.js';
import type { Template } from './template.js';

const origin = {
  spaceId: 'space' as SpaceId,
  keyId: 'key' as KeyId,
  variantDigest: '0'.repeat(64) as Sha256,
  codec: 'int8',
  quality: 1,
} as const;
const template = (vector: Float32Array): Template => encodeTemplate(vector, origin);

/** Components from -1 to 1, none of them all zero. */
function vectors(seed: number, dimension: number): () => Float32Array {
  const below = seededIntegers(seed);
  return () => Float32Array.from({ length: dimension }, () => below(2001) / 1000 - 1 || 0.5);
}

function exactCosine(a: Float32Array, b: Float32Array): number {
  const dot = a.reduce((sum, component, index) => sum + component * (b[index] ?? 0), 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

/** The rows' own exact scores against those that a search would look at. */
function expectNearest(rows: CodedRows, probe: Float32Array): void {
  const scores = Array.from({ length: rows.size }, (_, row) => exactCosine(probe, rows.vector(row)));
  const found = rows.nearest(probe);
  const best = Math.max(...scores);
  expect(Math.max(...found.map((row) => scores[row] ?? 0))).toBe(best);
  // All that tie are there, for a tie is decided by more than the score.
  scores.forEach((score, row) => {
    if (score === best) expect(found).toContain(row);
  });
}

describe('coded rows', () => {
  it('find the nearest of any rows, of any dimension, however close they are', () => {
    const scene = fc.record({
      seed: fc.nat(),
      dimension: fc.integer({ min: 1, max: 70 }),
      count: fc.integer({ min: 1, max: 60 }),
      spread: fc.constantFrom(0, 1e-5, 1e-3, 0.05, 1),
    });
    fc.assert(
      fc.property(scene, ({ seed, dimension, count, spread }) => {
        const next = vectors(seed, dimension);
        const face = next();
        const near = (): Float32Array => {
          const noise = next();
          return face.map((component, index) => component + spread * (noise[index] ?? 0) || 0.5);
        };
        const rows = new CodedRows(dimension);
        for (let number = 0; number < count; number += 1) rows.add(template(near()));
        expectNearest(rows, near());
      }),
      { numRuns: 60 },
    );
  });

  it('keep the stored form to the last bit', () => {
    const next = vectors(1, 33);
    const rows = new CodedRows(33);
    const templates = Array.from({ length: 9 }, () => template(next()));
    expect(templates.map((stored) => rows.add(stored))).toEqual(templates.map((_, row) => row));
    templates.forEach((stored, row) => expect(rows.vector(row)).toEqual(decodeTemplate(stored)));
  });

  it('fill a removed row with the last one, and search on over several chunks', () => {
    const dimension = 6;
    const next = vectors(2, dimension);
    const rows = new CodedRows(dimension);
    const templates = Array.from({ length: 4500 }, () => template(next()));
    for (const stored of templates) rows.add(stored);
    expectNearest(rows, next());
    rows.remove(3);
    expect(rows.size).toBe(4499);
    expect(rows.vector(3)).toEqual(decodeTemplate(templates[4499]!));
    for (let count = 0; count < 500; count += 1) rows.remove(rows.size - 1);
    expect(rows.vector(3800)).toEqual(decodeTemplate(templates[3800]!));
    expectNearest(rows, next());
    expect(() => rows.remove(rows.size)).toThrow(RangeError);
    expect(() => rows.vector(-1)).toThrow(RangeError);
  });

  it('multiply exactly at the extremes of their codes', () => {
    const dimension = 4096;
    const rows = new CodedRows(dimension);
    for (const code of [-128, 127, 126]) rows.add({ data: new Uint8Array(dimension).fill(code & 0xff), scale: 1 });
    rows.add({ data: new Uint8Array(dimension).map((_, index) => (index % 2 === 0 ? 127 : 0x80)), scale: 1 });
    expect([...rows.nearest(new Float32Array(dimension).fill(1))].sort()).toEqual([1, 2]);
    expect(rows.nearest(new Float32Array(dimension).fill(-1))).toEqual([0]);
    expect(rows.nearest(Float32Array.from({ length: dimension }, (_, index) => (index % 2 === 0 ? 1 : -1)))).toEqual([
      3,
    ]);
  });

  it('hold nothing after they were cleared, and refuse what is no probe of theirs', () => {
    const rows = new CodedRows(4);
    const row = Float32Array.of(1, 2, 3, 4);
    expect(rows.nearest(row)).toEqual([]);
    rows.clear();
    rows.add(template(row));
    rows.clear();
    expect(rows.size).toBe(0);
    expect(rows.nearest(row)).toEqual([]);
    expect(rows.add(template(row))).toBe(0);
    expect(rows.nearest(row)).toEqual([0]);
    expect(() => rows.nearest(new Float32Array(5).fill(1))).toThrow(/components/);
    expect(() => rows.nearest(new Float32Array(4))).toThrow(/zero/);
    expect(() => rows.add(template(new Float32Array(5).fill(1)))).toThrow(/components/);
  });
});
