import type { KeyId, Sha256, SpaceId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeTemplate, encodeTemplate, type TemplateOrigin } from './codec.js';
import { poolTemplates } from './pool.js';
import type { Template } from './template.js';
import { assertComparable, validateTemplate } from './validate.js';

const origin: TemplateOrigin = {
  spaceId: 'space' as SpaceId,
  keyId: 'key' as KeyId,
  variantDigest: 'ab'.repeat(32) as Sha256,
  codec: 'int8',
  quality: 0.8,
};
const vectors = fc
  .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 64 })
  .filter((components) => components.some((component) => Math.abs(component) > 1e-6))
  .map((components) => Float32Array.from(components));

const length = (vector: Float32Array): number => Math.hypot(...vector);
const codeError = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('encodeTemplate', () => {
  it('stores a unit vector within half a step of the codec', () => {
    fc.assert(
      fc.property(vectors, fc.constantFrom('int8' as const, 'float16' as const), (vector, codec) => {
        const template = encodeTemplate(vector, { ...origin, codec });
        const decoded = decodeTemplate(template);
        const step = codec === 'int8' ? template.scale : 2 ** -11;
        vector.forEach((component, index) => {
          expect(Math.abs(decoded[index]! - component / length(vector))).toBeLessThanOrEqual(0.5001 * step + 1e-9);
        });
        expect(template.dimension).toBe(vector.length);
      }),
    );
  });

  it('uses a scale that float32 holds, since that is how it travels', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const { scale } = encodeTemplate(vector, origin);
        expect(Math.fround(scale)).toBe(scale);
      }),
    );
  });

  it('does not depend on the length of the vector, however small or large', () => {
    const vector = Float32Array.of(0.3, -0.4, 0.5);
    for (const factor of [2 ** -100, 2 ** 100]) {
      expect(
        encodeTemplate(
          vector.map((x) => x * factor),
          origin,
        ),
      ).toEqual(encodeTemplate(vector, origin));
    }
  });

  it('stores again what it has stored, unchanged', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const once = encodeTemplate(vector, origin);
        expect(encodeTemplate(decodeTemplate(once), origin).data).toEqual(once.data);
      }),
    );
  });

  it('refuses zero vectors, what is not finite, and a quality outside 0 to 1', () => {
    for (const bad of [
      Float32Array.of(0, 0),
      Float32Array.of(1, NaN),
      Float32Array.of(Infinity),
      new Float32Array(0),
    ]) {
      expect(() => encodeTemplate(bad, origin)).toThrow(codeError('TEMPLATE.INVALID'));
    }
    for (const quality of [-0.1, 1.1, NaN]) {
      expect(() => encodeTemplate(Float32Array.of(1), { ...origin, quality })).toThrow(codeError('TEMPLATE.INVALID'));
    }
  });
});

describe('validateTemplate', () => {
  const int8 = encodeTemplate(Float32Array.of(0.6, -0.8), origin);
  const float16 = encodeTemplate(Float32Array.of(0.6, -0.8), { ...origin, codec: 'float16' });
  const half = (...bits: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(bits).buffer);

  it('accepts what the codecs write, also as a view of a larger buffer', () => {
    const framed = Uint8Array.of(9, ...float16.data, 9).subarray(1, 5);
    for (const template of [int8, float16, { ...float16, data: framed }]) {
      expect(() => validateTemplate(template, { dimension: 2 })).not.toThrow();
    }
    expect(decodeTemplate({ ...float16, data: framed })).toEqual(decodeTemplate(float16));
  });

  const malformed: Record<string, Template> = {
    'too few bytes': { ...int8, data: new Uint8Array(1).fill(1) },
    'too many bytes': { ...float16, data: new Uint8Array(5).fill(1) },
    'bytes of the other codec': { ...int8, data: float16.data },
    'a zero vector': { ...int8, data: new Uint8Array(2) },
    'a float16 zero vector with a sign': { ...float16, data: half(0x8000, 0) },
    'a float16 NaN': { ...float16, data: half(0x3c00, 0x7e01) },
    'a float16 infinity': { ...float16, data: half(0xfc00, 0x3c00) },
    'a scale of NaN': { ...int8, scale: NaN },
    'a negative scale': { ...int8, scale: -1 },
    'a scale beyond float32': { ...int8, scale: 1e-60 },
    'a float16 scale': { ...float16, scale: 2 },
    'a dimension of zero': { ...int8, dimension: 0, data: new Uint8Array(0) },
    'a broken dimension': { ...int8, dimension: 1.5 },
    'a quality above one': { ...int8, quality: 2 },
  };
  for (const [what, template] of Object.entries(malformed)) {
    it(`refuses ${what}`, () => {
      expect(() => validateTemplate(template)).toThrow(codeError('TEMPLATE.INVALID'));
    });
  }

  it('refuses another dimension than the expected one', () => {
    expect(() => validateTemplate(int8, { dimension: 3 })).toThrow(codeError('TEMPLATE.WRONG_DIMENSION'));
  });
});

describe('assertComparable', () => {
  it('refuses another space, then another key', () => {
    const foreign = { spaceId: 'other' as SpaceId, keyId: 'other' as KeyId };
    expect(() => assertComparable(origin, origin)).not.toThrow();
    expect(() => assertComparable(origin, foreign)).toThrow(codeError('TEMPLATE.FOREIGN_SPACE'));
    expect(() => assertComparable(origin, { ...origin, keyId: foreign.keyId })).toThrow(
      codeError('TEMPLATE.FOREIGN_KEY'),
    );
  });
});

describe('poolTemplates', () => {
  const shot = (vector: readonly number[], quality: number): Template =>
    encodeTemplate(Float32Array.from(vector), { ...origin, codec: 'float16', quality });
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, index) => sum + x * b[index]!, 0);

  it('ranks by the quality-weighted mean of the shots’ scores', () => {
    const shots = [shot([1, 0.2, 0], 0.9), shot([0.7, 0.9, 0.1], 0.3), shot([0.9, -0.3, 0.4], 0.6)];
    const pooled = decodeTemplate(poolTemplates(shots));
    const enrolled = [
      [1, 0, 0],
      [0, 1, 0],
      [0.5, 0.5, -0.7],
      [-1, 0.2, 0.3],
    ].map((v) => decodeTemplate(shot(v, 1)));
    const ratios = enrolled.map((vector) => {
      const mean = shots.reduce((sum, s) => sum + s.quality * dot(decodeTemplate(s), vector), 0) / 1.8;
      return mean / dot(pooled, vector);
    });
    for (const ratio of ratios) expect(ratio).toBeCloseTo(ratios[0]!, 2);
    expect(ratios[0]).toBeLessThanOrEqual(1);
  });

  it('returns a single shot as it is, and takes quality and variant from the best of several', () => {
    const single = shot([1, 2, 3], 0.4);
    expect(poolTemplates([single])).toBe(single);
    const best = { ...shot([1, 2, 4], 0.7), variantDigest: 'cd'.repeat(32) as Sha256 };
    expect(poolTemplates([single, best])).toMatchObject({ quality: 0.7, variantDigest: best.variantDigest });
    expect(poolTemplates([shot([1, 0], 0), shot([0, 1], 0)]).quality).toBe(0);
  });

  it('refuses no shots, shots that do not belong together, and shots that cancel out', () => {
    const single = shot([1, 2, 3], 0.4);
    expect(() => poolTemplates([])).toThrow(codeError('TEMPLATE.INVALID'));
    expect(() => poolTemplates([single, { ...single, keyId: 'other' as KeyId }])).toThrow(
      codeError('TEMPLATE.FOREIGN_KEY'),
    );
    expect(() => poolTemplates([single, shot([1, 2], 0.4)])).toThrow(codeError('TEMPLATE.WRONG_DIMENSION'));
    expect(() => poolTemplates([single, shot([-1, -2, -3], 0.4)])).toThrow(codeError('TEMPLATE.INVALID'));
  });
});
