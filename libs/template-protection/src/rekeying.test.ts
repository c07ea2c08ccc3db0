import { seededIntegers, type Sha256, type SpaceId, type TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { decodeTemplate, encodeTemplate } from './codec.js';
import { createTemplateProtector, type TemplateKey } from './protector.js';
import { createTemplateRekeyer } from './rekeying.js';
import type { Template, TemplateCodec } from './template.js';

const dimension = 128;
const tenantId = 'acme' as TenantId;
const first: TemplateKey = { secret: new Uint8Array(32).fill(7), tenantId, epoch: 1 };
const second: TemplateKey = { secret: new Uint8Array(32).fill(8), tenantId, epoch: 2 };
const third: TemplateKey = { ...second, epoch: 3 };

const protectors = new Map([first, second, third].map((key) => [key, createTemplateProtector({ ...key, dimension })]));
const below = seededIntegers(5);
const embedding = (): Float32Array => Float32Array.from({ length: dimension }, () => below(2001) / 1000 - 1);
const protectedBy = (key: TemplateKey, vector: Float32Array, codec: TemplateCodec): Template => {
  const protector = protectors.get(key);
  if (!protector) throw new Error('no such key');
  const origin = { spaceId: 'space' as SpaceId, variantDigest: '0'.repeat(64) as Sha256, quality: 0.7 };
  return encodeTemplate(protector.protect(vector), { ...origin, keyId: protector.keyId, codec });
};
function cosine(a: Template, b: Template): number {
  const [left, right] = [decodeTemplate(a), decodeTemplate(b)];
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}

describe('a template that is taken to another key', () => {
  const rekeyer = createTemplateRekeyer(first, second, dimension);

  it('is what the other key would have made of the embedding', () => {
    const face = embedding();
    const rekeyed = rekeyer.rekey(protectedBy(first, face, 'float16'));
    expect(rekeyed.keyId).toBe(protectedBy(second, face, 'int8').keyId);
    expect(cosine(rekeyed, protectedBy(second, face, 'float16'))).toBeGreaterThan(1 - 1e-6);
    expect(rekeyed).toMatchObject({ spaceId: 'space', quality: 0.7, dimension, codec: 'float16', scale: 1 });
  });

  it.each(['int8', 'float16'] as const)('keeps its cosines, and goes back, as %s', (codec) => {
    const back = createTemplateRekeyer(second, first, dimension);
    for (let pair = 0; pair < 50; pair += 1) {
      const face = embedding();
      const near = embedding().map((component, index) => component + 0.8 * (face[index] ?? 0));
      const [a, b] = [protectedBy(first, face, codec), protectedBy(first, near, codec)];
      expect(cosine(rekeyer.rekey(a), rekeyer.rekey(b))).toBeCloseTo(cosine(a, b), 3);
      expect(cosine(back.rekey(rekeyer.rekey(a)), a)).toBeGreaterThan(1 - 1e-6);
    }
  });

  it('says nothing to who has the first key alone: it is as far from its old form as a stranger', () => {
    const scores = Array.from({ length: 50 }, () => {
      const template = protectedBy(first, embedding(), 'float16');
      return cosine({ ...rekeyer.rekey(template), keyId: template.keyId }, template);
    });
    // Two random directions of 128 dimensions: a mean of 0, a deviation of 1/√128.
    expect(Math.abs(scores.reduce((sum, score) => sum + score, 0) / 50)).toBeLessThan(5 / Math.sqrt(128 * 50));
    expect(Math.max(...scores.map(Math.abs))).toBeLessThan(5 / Math.sqrt(128));
  });

  it('must be of the first key and of its dimension', () => {
    const foreign = protectedBy(third, embedding(), 'int8');
    expect(() => rekeyer.rekey(foreign)).toThrow(expect.objectContaining({ code: 'TEMPLATE.FOREIGN_KEY' }));
    const long = createTemplateRekeyer(first, second, dimension + 1);
    const short = protectedBy(first, embedding(), 'int8');
    expect(() => long.rekey(short)).toThrow(expect.objectContaining({ code: 'TEMPLATE.WRONG_DIMENSION' }));
  });
});
