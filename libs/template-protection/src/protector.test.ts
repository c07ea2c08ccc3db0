import type { TenantId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeTemplate, decodeTemplate, type TemplateOrigin } from './codec.js';
import { randomOrthogonalMatrix } from './orthogonal-matrix.js';
import { createTemplateProtector, templateKeyId, type TemplateKey } from './protector.js';

const dimension = 128;
const tenantId = 'acme' as TenantId;
const key: TemplateKey = { secret: new Uint8Array(32).fill(7), tenantId, epoch: 1 };
const protector = createTemplateProtector({ ...key, dimension });

const unitVector = fc
  .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: dimension, maxLength: dimension })
  .filter((components) => Math.hypot(...components) > 0.1)
  .map((components) => {
    const length = Math.hypot(...components);
    return Float32Array.from(components, (component) => component / length);
  });

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, component, index) => sum + component * b[index]!, 0);
}

describe('randomOrthogonalMatrix', () => {
  it('is orthogonal', () => {
    for (const size of [1, 2, 3, 17, 128]) {
      const matrix = randomOrthogonalMatrix(new Uint8Array(32).fill(size), size);
      const row = (index: number): Float64Array => matrix.subarray(index * size, (index + 1) * size);
      for (let i = 0; i < size; i += 1) {
        for (let j = 0; j <= i; j += 1) {
          const product = row(i).reduce((sum, component, index) => sum + component * row(j)[index]!, 0);
          expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(1e-13);
        }
      }
    }
  });

  it('is spread over the whole group: each entry has mean 0 and variance 1/n, and both determinants occur', () => {
    const size = 3;
    const entries = new Float64Array(size * size);
    const squares = new Float64Array(size * size);
    let reflections = 0;
    const draws = 2000;
    for (let draw = 0; draw < draws; draw += 1) {
      const m = randomOrthogonalMatrix(
        Uint8Array.from({ length: 32 }, (_, at) => (draw >> (8 * at)) & 0xff),
        size,
      );
      m.forEach((value, index) => {
        entries[index]! += value / draws;
        squares[index]! += (value * value) / draws;
      });
      const [a, b, c, d, e, f, g, h, i] = [...m] as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      if (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0) reflections += 1;
    }
    // Five standard errors: variance of an entry 1/3, of its square 2/(3·3·5)·2 = 4/45.
    for (const mean of entries) expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 3 / draws));
    for (const mean of squares) expect(Math.abs(mean - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / draws));
    expect(Math.abs(reflections / draws - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / draws));
  });
});

describe('a template protector', () => {
  it('keeps lengths and cosines to 1e-5', () => {
    fc.assert(
      fc.property(unitVector, unitVector, (a, b) => {
        const [protectedA, protectedB] = [protector.protect(a), protector.protect(b)];
        expect(Math.abs(dot(protectedA, protectedB) - dot(a, b))).toBeLessThan(1e-5);
        expect(Math.abs(dot(protectedA, protectedA) - 1)).toBeLessThan(1e-5);
      }),
      { numRuns: 50 },
    );
  });

  it('changes a cosine by at most 2e-3 when both templates are coded as int8', () => {
    const wide = 512;
    const wideProtector = createTemplateProtector({ ...key, dimension: wide });
    const origin = { codec: 'int8', quality: 1 } as TemplateOrigin;
    const coded = (vector: Float32Array): Float32Array => {
      const decoded = decodeTemplate(encodeTemplate(wideProtector.protect(vector), origin));
      const length = Math.sqrt(dot(decoded, decoded));
      return decoded.map((component) => component / length);
    };
    // Sparse, flat and mixed vectors: the rotation makes all of them alike.
    const vectors = Array.from({ length: 40 }, (_, seed) => {
      const raw = Float32Array.from({ length: wide }, (_, at) => Math.sin((seed + 1) * (at + 1)) ** (1 + (seed % 4)));
      if (seed < 5) raw.fill(0, seed + 1);
      const length = Math.sqrt(dot(raw, raw));
      return raw.map((component) => component / length);
    });
    for (const a of vectors) {
      for (const b of vectors) expect(Math.abs(dot(coded(a), coded(b)) - dot(a, b))).toBeLessThan(2e-3);
    }
  }, 60_000);

  it('makes templates of one face under two keys look unrelated', () => {
    const others = [
      { ...key, secret: new Uint8Array(32).fill(8) },
      { ...key, epoch: 2 },
      { ...key, tenantId: 'acme-2' as TenantId },
    ].map((other) => createTemplateProtector({ ...other, dimension }));
    fc.assert(
      fc.property(unitVector, (face) => {
        const mine = protector.protect(face);
        for (const other of others) {
          // Cosines of random directions: standard deviation 1/√128 = 0.088; six of them.
          expect(Math.abs(dot(mine, other.protect(face)))).toBeLessThan(0.53);
        }
      }),
      { numRuns: 100 },
    );
    const cosines = Array.from({ length: dimension }, (_, axis) => {
      const face = new Float32Array(dimension);
      face[axis] = 1;
      return dot(protector.protect(face), others[0]!.protect(face));
    });
    const meanSquare = cosines.reduce((sum, value) => sum + value * value, 0) / dimension;
    expect(meanSquare * dimension).toBeGreaterThan(0.5);
    expect(meanSquare * dimension).toBeLessThan(2);
  });

  it('does the same again from the same key', () => {
    const again = createTemplateProtector({ ...key, dimension });
    const face = Float32Array.from({ length: dimension }, (_, at) => Math.cos(at));
    expect(again.keyId).toBe(protector.keyId);
    expect(again.protect(face)).toEqual(protector.protect(face));
  });

  it('still makes the templates that are in galleries today', () => {
    const small = createTemplateProtector({ ...key, dimension: 4 });
    expect(small.keyId).toBe('704bb280e76ea7d21877dc6e077fb430');
    expect([...small.protect(Float32Array.of(1, 0, 0, 0))].map((component) => component.toFixed(6))).toEqual([
      '-0.956635',
      '0.034185',
      '-0.154199',
      '0.244754',
    ]);
  });

  it('refuses embeddings of another dimension, zero ones and what is not finite', () => {
    const wrong = { code: 'TEMPLATE.WRONG_DIMENSION' };
    expect(() => protector.protect(new Float32Array(dimension - 1).fill(1))).toThrow(expect.objectContaining(wrong));
    for (const bad of [0, NaN, Infinity]) {
      const embedding = new Float32Array(dimension).fill(bad);
      expect(() => protector.protect(embedding)).toThrow(expect.objectContaining({ code: 'TEMPLATE.INVALID' }));
    }
  });
});

describe('templateKeyId', () => {
  it('differs by secret, tenant and epoch, and shows nothing of the secret', () => {
    const ids = [
      key,
      { ...key, epoch: 2 },
      { ...key, tenantId: 'acme1' as TenantId },
      { ...key, secret: new Uint8Array(32).fill(9) },
    ].map(templateKeyId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[0]).not.toContain('0707');
  });

  it('refuses a secret of another length, and an epoch below one', () => {
    const invalid = expect.objectContaining({ code: 'TEMPLATE.INVALID_KEY' }) as Error;
    expect(() => templateKeyId({ ...key, secret: new Uint8Array(31) })).toThrow(invalid);
    for (const epoch of [0, 1.5, NaN]) expect(() => templateKeyId({ ...key, epoch })).toThrow(invalid);
    expect(() => createTemplateProtector({ ...key, dimension: 1 })).toThrow(invalid);
  });
});
