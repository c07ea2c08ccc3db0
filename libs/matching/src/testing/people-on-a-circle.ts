import fc from 'fast-check';

import type { EvaluationImage } from '../evaluation/comparisons.js';

/** A vector of length one in the plane, in degrees: scores are cosines of differences of angles. */
export function atAngle(degrees: number): Float32Array {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(Math.cos(angle), Math.sin(angle));
}

/** Two images each of two to seven people, anywhere in the plane. */
export const people: fc.Arbitrary<EvaluationImage[]> = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 359 }), fc.integer({ min: -40, max: 40 })), { minLength: 2, maxLength: 7 })
  .map((angles) =>
    angles.flatMap(([middle, apart], identity) =>
      [middle, middle + apart].map((angle) => ({ identity, enrolled: atAngle(angle), probe: atAngle(angle) })),
    ),
  );
