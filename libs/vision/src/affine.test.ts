import fc from 'fast-check';
import { expect, test } from 'vitest';

import { applyAffine, boxToFrame, composeAffine, estimateSimilarity, invertAffine, type Affine } from './affine.js';
import type { Point } from './frame.js';

const coordinate = fc.double({ min: -500, max: 500, noNaN: true });
const point = fc.record({ x: coordinate, y: coordinate });
const similarity = fc
  .record({
    scale: fc.double({ min: 0.05, max: 20, noNaN: true }),
    angle: fc.double({ min: -3, max: 3, noNaN: true }),
    x: coordinate,
    y: coordinate,
  })
  .map(({ scale, angle, x, y }): Affine => {
    const cos = scale * Math.cos(angle);
    const sin = scale * Math.sin(angle);
    return { a: cos, b: -sin, c: x, d: sin, e: cos, f: y };
  });
const spreadOut = (points: readonly Point[]): boolean =>
  points.some((one) => points.some((other) => Math.hypot(one.x - other.x, one.y - other.y) > 1));
const fivePoints = fc.array(point, { minLength: 5, maxLength: 5 }).filter(spreadOut);

function squaredDistances(map: Affine, from: readonly Point[], to: readonly Point[]): number {
  return from.reduce((sum, one, index) => {
    const image = applyAffine(map, one);
    return sum + (image.x - to[index]!.x) ** 2 + (image.y - to[index]!.y) ** 2;
  }, 0);
}

test('the estimate recovers a similarity from points and their images', () => {
  fc.assert(
    fc.property(similarity, fivePoints, (map, points) => {
      const images = points.map((one) => applyAffine(map, one));
      const found = estimateSimilarity(points, images)!;
      for (const key of ['a', 'b', 'c', 'd', 'e', 'f'] as const) expect(found[key]).toBeCloseTo(map[key], 4);
    }),
  );
});

test('no other similarity near the estimate fits noisy points better', () => {
  fc.assert(
    fc.property(fivePoints, fivePoints, similarity, (from, to, nudge) => {
      const found = estimateSimilarity(from, to);
      fc.pre(found !== undefined);
      const best = squaredDistances(found, from, to);
      for (const step of [1e-3, -1e-3]) {
        const other = {
          a: found.a + step * nudge.a,
          b: found.b + step * nudge.b,
          c: found.c + step * nudge.c,
          d: found.d - step * nudge.b,
          e: found.e + step * nudge.a,
          f: found.f + step * nudge.f,
        };
        expect(squaredDistances(other, from, to)).toBeGreaterThanOrEqual(best - 1e-6 * (1 + best));
      }
    }),
  );
});

test('a map and its inverse undo each other', () => {
  fc.assert(
    fc.property(similarity, point, (map, one) => {
      const back = applyAffine(invertAffine(map)!, applyAffine(map, one));
      expect(back.x).toBeCloseTo(one.x, 6);
      expect(back.y).toBeCloseTo(one.y, 6);
    }),
  );
});

test('points that coincide have no similarity, and a flat map no inverse', () => {
  const one = { x: 3, y: 4 };
  const spread = [
    { x: 0, y: 0 },
    { x: 1, y: 0 },
  ];
  expect(estimateSimilarity([one, one], spread)).toBeUndefined();
  expect(estimateSimilarity(spread, [one, one])).toBeUndefined();
  expect(estimateSimilarity([{ x: Number.NaN, y: 0 }, one], spread)).toBeUndefined();
  expect(invertAffine({ a: 1, b: 2, c: 0, d: 2, e: 4, f: 0 })).toBeUndefined();
});

test('a box at its own size keeps its pixel centres', () => {
  expect(boxToFrame({ x: 7, y: 5, width: 10, height: 4 }, 10, 4)).toEqual({ a: 1, b: 0, c: 7, d: 0, e: 1, f: 5 });
});

test('a composed map does what its parts do one after the other', () => {
  fc.assert(
    fc.property(similarity, similarity, point, (outer, inner, at) => {
      const [one, other] = [applyAffine(composeAffine(outer, inner), at), applyAffine(outer, applyAffine(inner, at))];
      expect(Math.hypot(one.x - other.x, one.y - other.y)).toBeLessThan(1e-6);
    }),
  );
});
