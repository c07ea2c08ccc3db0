import fc from 'fast-check';
import { expect, test } from 'vitest';

import { clipToFrame, intersectionOverUnion, squareAround, suppressNonMaxima } from './boxes.js';

const box = fc.record({
  x: fc.integer({ min: -20, max: 80 }),
  y: fc.integer({ min: -20, max: 80 }),
  width: fc.integer({ min: 1, max: 60 }),
  height: fc.integer({ min: 1, max: 60 }),
});
// Few distinct scores, so that ties happen.
const detections = fc.array(fc.record({ box, score: fc.constantFrom(0.7, 0.8, 0.9) }), { maxLength: 20 });
const threshold = fc.double({ min: 0, max: 1, noNaN: true });

test('what is suppressed does not depend on the order', () => {
  fc.assert(
    fc.property(detections, threshold, fc.infiniteStream(fc.nat()), (all, limit, random) => {
      const shuffled = all
        .map((detection) => ({ detection, key: random.next().value as number }))
        .sort((one, other) => one.key - other.key)
        .map(({ detection }) => detection);
      expect(suppressNonMaxima(shuffled, limit)).toEqual(suppressNonMaxima(all, limit));
    }),
  );
});

test('what is kept does not overlap, and what went overlaps something at least as sure', () => {
  fc.assert(
    fc.property(detections, threshold, (all, limit) => {
      const kept = suppressNonMaxima(all, limit);
      kept.forEach((one, at) => {
        for (const other of kept.slice(at + 1)) {
          expect(intersectionOverUnion(one.box, other.box)).toBeLessThanOrEqual(limit);
        }
      });
      for (const gone of all.filter((one) => !kept.includes(one))) {
        expect(kept.some((one) => one.score >= gone.score && intersectionOverUnion(one.box, gone.box) > limit)).toBe(
          true,
        );
      }
    }),
  );
});

test('overlap is between 0 and 1, symmetric, 1 for the same box and 0 for empty boxes and boxes apart', () => {
  fc.assert(
    fc.property(box, box, (one, other) => {
      const overlap = intersectionOverUnion(one, other);
      expect(overlap).toBeGreaterThanOrEqual(0);
      expect(overlap).toBeLessThanOrEqual(1);
      expect(intersectionOverUnion(other, one)).toBe(overlap);
      expect(intersectionOverUnion(one, { ...one, width: 0 })).toBe(0);
      expect(intersectionOverUnion(one, one)).toBe(1);
      expect(intersectionOverUnion(one, { ...one, x: one.x + one.width })).toBe(0);
    }),
  );
});

test('a square keeps the centre; clipping keeps what lies in the frame', () => {
  expect(squareAround({ x: 10, y: 20, width: 30, height: 50 }, 50)).toEqual({ x: 0, y: 20, width: 50, height: 50 });
  expect(clipToFrame({ x: -5, y: 90, width: 20, height: 20 }, { width: 100, height: 100 })).toEqual({
    x: 0,
    y: 90,
    width: 15,
    height: 10,
  });
  expect(clipToFrame({ x: 100, y: 0, width: 20, height: 20 }, { width: 100, height: 100 })).toBeUndefined();
});
