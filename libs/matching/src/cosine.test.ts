import { AppError } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { cosine } from './cosine.js';

const component = fc.float({ min: -10, max: 10, noNaN: true });
const vectors = fc
  .tuple(fc.array(component, { minLength: 1, maxLength: 40 }), fc.array(component, { minLength: 40, maxLength: 40 }))
  .map(([a, b]) => [Float32Array.from(a), Float32Array.from(b.slice(0, a.length))] as const)
  .filter((pair) => pair.every((vector) => Math.hypot(...vector) > 1e-3));

describe('cosine', () => {
  it('is symmetric, bounded, and does not depend on length', () => {
    fc.assert(
      fc.property(vectors, fc.double({ min: 0.01, max: 100, noNaN: true }), ([a, b], factor) => {
        const score = cosine(a, b);
        expect(Math.abs(score)).toBeLessThanOrEqual(1);
        expect(cosine(b, a)).toBe(score);
        expect(
          cosine(
            a.map((x) => x * factor),
            b,
          ),
        ).toBeCloseTo(score, 4);
        expect(cosine(a, a)).toBeCloseTo(1, 12);
      }),
    );
  });

  it('refuses two lengths, zero vectors and what is not finite', () => {
    const unit = Float32Array.of(1, 0);
    expect(() => cosine(unit, Float32Array.of(1))).toThrow(
      expect.objectContaining({ code: 'TEMPLATE.WRONG_DIMENSION' }),
    );
    for (const bad of [Float32Array.of(0, 0), Float32Array.of(NaN, 1), Float32Array.of(Infinity, 1)]) {
      expect(() => cosine(unit, bad)).toThrow(AppError);
    }
  });
});
