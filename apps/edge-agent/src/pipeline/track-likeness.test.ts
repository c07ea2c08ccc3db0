import type { KeyId, Sha256, SpaceId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';
import { describe, expect, it } from 'vitest';

import { INCOMPARABLE, trackLikeness } from './track-likeness.js';

function template(components: readonly number[], { space = 'a', key = 'k' } = {}): Template {
  return encodeTemplate(Float32Array.from(components), {
    spaceId: space as SpaceId,
    keyId: key as KeyId,
    variantDigest: 'd'.repeat(64) as Sha256,
    codec: 'int8',
    quality: 0.5,
  });
}

const [east, north] = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
];

describe('the likeness of two tracks', () => {
  it('is the cosine of what their shots have in common', () => {
    expect(trackLikeness([template(east)], [template(east)])).toBeCloseTo(1, 3);
    expect(trackLikeness([template(east)], [template(north)])).toBeCloseTo(0, 3);
    expect(trackLikeness([template(east), template(north)], [template(east)])).toBeCloseTo(Math.SQRT1_2, 2);
  });

  it('is none without templates, or across spaces or keys', () => {
    expect(trackLikeness([], [template(east)])).toBe(INCOMPARABLE);
    expect(trackLikeness([template(east)], [])).toBe(INCOMPARABLE);
    expect(trackLikeness([template(east)], [template(east, { space: 'b' })])).toBe(INCOMPARABLE);
    expect(trackLikeness([template(east)], [template(east, { key: 'other' })])).toBe(INCOMPARABLE);
  });
});
