import fc from 'fast-check';
import { expect, test } from 'vitest';

import { applyAffine } from './affine.js';
import type { Box } from './frame.js';
import { presentationView } from './presentation-view.js';

const input = { width: 128, height: 128 };

/** The part of the frame that the view shows. */
function shown(box: Box, frame: { width: number; height: number }, cropScale: number): Box {
  const view = presentationView(box, frame, { input, cropScale });
  const from = applyAffine(view, { x: -0.5, y: -0.5 });
  const to = applyAffine(view, { x: 127.5, y: 127.5 });
  return { x: from.x + 0.5, y: from.y + 0.5, width: to.x - from.x, height: to.y - from.y };
}

test('a face in the middle is seen with what is around it, in its own proportions', () => {
  const crop = shown({ x: 400, y: 300, width: 100, height: 120 }, { width: 1280, height: 720 }, 2.7);
  for (const [actual, expected] of [
    [crop.x, 315],
    [crop.y, 198],
    [crop.width, 270],
    [crop.height, 324],
  ] as const) {
    expect(actual).toBeCloseTo(expected);
  }
});

test('at an edge the crop is moved into the frame, and a face that fills it is seen as far as there is a frame', () => {
  const corner = shown({ x: -10, y: 640, width: 100, height: 100 }, { width: 1280, height: 720 }, 2.7);
  expect([corner.x, corner.y].map(Math.round)).toEqual([0, 450]);
  expect(corner.width).toBeCloseTo(270);
  const close = shown({ x: 60, y: 40, width: 100, height: 150 }, { width: 250, height: 250 }, 2.7);
  expect(close.height).toBeCloseTo(250);
  expect(close.width).toBeCloseTo(100 * (250 / 150));
});

test('no pixel is asked for that the frame does not have, wherever the box lies', () => {
  const length = fc.double({ min: 8, max: 2000, noNaN: true });
  const place = fc.double({ min: -500, max: 2500, noNaN: true });
  fc.assert(
    fc.property(
      fc.record({ x: place, y: place, width: length, height: length }),
      length,
      length,
      (box, width, height) => {
        const crop = shown(box, { width, height }, 2.7);
        expect(Math.min(crop.x, crop.y)).toBeGreaterThan(-1e-6);
        expect(crop.x + crop.width).toBeLessThan(width + 1e-6);
        expect(crop.y + crop.height).toBeLessThan(height + 1e-6);
      },
    ),
  );
});
