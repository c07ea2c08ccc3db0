import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { applyAffine, boxToFrame } from './affine.js';
import { fivePointsOf68 } from './five-points.js';
import { landmarkCrop, landmarksOf, meanLandmarks, mirrored } from './landmarks.js';

const input = { width: 64, height: 64 };
const unitInterval = fc.double({ min: 0, max: 1, noNaN: true });
const outputs = fc.array(unitInterval, { minLength: 136, maxLength: 136 });

describe('landmarksOf', () => {
  it('places points where the crop lies in the frame', () => {
    const values = new Float32Array(136).fill(0.5);
    values.set([0, 1], 0);
    const toFrame = boxToFrame({ x: 100, y: 10, width: 80, height: 40 }, 64, 64);
    const [corner, middle] = landmarksOf(values, { toFrame, mirrored: false }, input) ?? [];
    expect(corner).toEqual({ x: 99.5, y: 49.5 }); // the lower left corner of the crop: pixel centres lie at integers
    expect(middle).toEqual({ x: 139.5, y: 29.5 });
  });

  it('finds in a mirror what it finds without, left and right exchanged', () => {
    fc.assert(
      fc.property(outputs, (values) => {
        const view = { toFrame: boxToFrame({ x: -3, y: 7, width: 50, height: 50 }, 64, 64), mirrored: false };
        const plain = landmarksOf(Float32Array.from(values), view, input) ?? [];
        const flipped = values.map((value, at) => (at % 2 === 0 ? 1 - value : value));
        const seen = landmarksOf(Float32Array.from(flipped), mirrored(view, 64), input) ?? [];
        const [jaw, otherJaw, leftEye, rightMouth] = [seen[0], seen[16], seen[36], seen[54]];
        const expected = [plain[16], plain[0], plain[45], plain[48]];
        for (const [at, point] of [jaw, otherJaw, leftEye, rightMouth].entries()) {
          expect(point?.x).toBeCloseTo(expected[at]?.x ?? Number.NaN, 3);
          expect(point?.y).toBeCloseTo(expected[at]?.y ?? Number.NaN, 3);
        }
      }),
    );
  });

  it('shows the picture itself twice mirrored', () => {
    const view = { toFrame: boxToFrame({ x: 5, y: 6, width: 30, height: 20 }, 64, 64), mirrored: false };
    const twice = mirrored(mirrored(view, 64), 64).toFrame;
    expect(applyAffine(twice, { x: 11, y: 40 })).toEqual(applyAffine(view.toFrame, { x: 11, y: 40 }));
  });

  it('finds nothing in numbers that are none, or too few', () => {
    const view = { toFrame: boxToFrame({ x: 0, y: 0, width: 1, height: 1 }, 64, 64), mirrored: false };
    expect(landmarksOf(new Float32Array(136).fill(Number.NaN, 7, 8), view, input)).toBeUndefined();
    expect(landmarksOf(new Float32Array(10), view, input)).toBeUndefined();
  });
});

it('looks at a square around a box, as large and as far down as it is told', () => {
  const box = { x: 10, y: 20, width: 30, height: 40 };
  expect(landmarkCrop(box, { scale: 1, down: 0 })).toEqual({ x: 5, y: 20, width: 40, height: 40 });
  expect(landmarkCrop(box, { scale: 0.5, down: 0.25 })).toEqual({ x: 15, y: 40, width: 20, height: 20 });
});

it('means the points of several views', () => {
  expect(meanLandmarks([[{ x: 1, y: 2 }], [{ x: 3, y: 6 }]])).toEqual([{ x: 2, y: 4 }]);
});

it('five points are means of the 68', () => {
  const points = Array.from({ length: 68 }, () => ({ x: 0, y: 0 }));
  const put = (x: number, y: number, ...indices: number[]): void => {
    for (const index of indices) points[index] = { x, y };
  };
  put(120, 30, 37, 38, 40, 41);
  put(160, 30, 43, 44, 46, 47);
  put(140, 35, 30);
  put(130, 40, 48, 60);
  put(152, 40, 54);
  put(148, 40, 64);
  expect(fivePointsOf68(points)).toEqual([
    { x: 120, y: 30 },
    { x: 160, y: 30 },
    { x: 140, y: 35 },
    { x: 130, y: 40 },
    { x: 150, y: 40 },
  ]);
});
