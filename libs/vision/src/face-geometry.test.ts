import fc from 'fast-check';
import { expect, test } from 'vitest';

import { applyAffine, type Affine } from './affine.js';
import { alignment } from './alignment.js';
import type { FivePoints } from './five-points.js';
import type { Frame } from './frame.js';
import { faceQuality, qualityFactors } from './quality.js';
import { identity, Resampler, type LumaStatistics } from './resampler.js';

const template = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
] as const;
const resampler = new Resampler();
const atTemplate = template.map(([x, y]) => ({ x, y })) as unknown as FivePoints;

/** A smooth, coloured picture, so that resampling it twice changes little. */
function smoothFrame(width: number, height: number): Frame {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.set(
        [128 + 100 * Math.sin(x / 17), 128 + 100 * Math.cos(y / 13), 128 + 90 * Math.sin((x + y) / 23)],
        (y * width + x) * 3,
      );
    }
  }
  return { width, height, data };
}

test('alignment undoes any rotation, scale and shift of a face', () => {
  const upright = smoothFrame(112, 112);
  fc.assert(
    fc.property(
      fc.double({ min: -1.2, max: 1.2, noNaN: true }),
      fc.double({ min: 0.8, max: 1.6, noNaN: true }),
      (angle, scale) => {
        // The face, turned and scaled, in the middle of a large frame.
        const cos = scale * Math.cos(angle);
        const sin = scale * Math.sin(angle);
        const place: Affine = {
          a: cos,
          b: -sin,
          c: 160 - cos * 56 + sin * 56,
          d: sin,
          e: cos,
          f: 160 - sin * 56 - cos * 56,
        };
        const back: Affine = {
          a: cos / scale ** 2,
          b: sin / scale ** 2,
          c: 56 - (cos * 160 + sin * 160) / scale ** 2,
          d: -sin / scale ** 2,
          e: cos / scale ** 2,
          f: 56 - (-sin * 160 + cos * 160) / scale ** 2,
        };
        const frame = resampler.load(upright).picture(back, 320, 320);
        const points = atTemplate.map((one) => applyAffine(place, one)) as unknown as FivePoints;
        const aligned = resampler.load(frame).picture(alignment(points, template)!, 112, 112).data;
        let worst = 0;
        for (let y = 10; y < 102; y++) {
          for (let at = (y * 112 + 10) * 3; at < (y * 112 + 102) * 3; at++) {
            worst = Math.max(worst, Math.abs(aligned[at]! - upright.data[at]!));
          }
        }
        expect(worst).toBeLessThanOrEqual(4);
      },
    ),
    { numRuns: 20 },
  );
});

test('points that coincide align nothing', () => {
  const one = { x: 5, y: 5 };
  expect(alignment([one, one, one, one, one], template)).toBeUndefined();
});

test('quality falls with blur, darkness, small size and a turned head', () => {
  const data = Uint8Array.from({ length: 112 * 112 * 3 }, (_, at) => (Math.floor(at / 3 / 4) % 2 === 0 ? 90 : 170));
  const luma = (bytes: Uint8Array): LumaStatistics =>
    resampler.load({ width: 112, height: 112, data: bytes }).picture(identity, 112, 112).luma;
  const sharp = luma(data);
  const good = faceQuality(atTemplate, sharp);
  expect(good).toBeGreaterThan(0.9);
  expect(good).toBeLessThanOrEqual(1);
  const flat = luma(new Uint8Array(data.length).fill(128));
  expect(faceQuality(atTemplate, flat)).toBe(0);
  const dark = luma(data.map((value) => value / 5));
  expect(qualityFactors(atTemplate, dark).exposure).toBeLessThan(0.4);
  const far = atTemplate.map(({ x, y }) => ({ x: x / 4, y: y / 4 })) as unknown as FivePoints;
  expect(faceQuality(far, sharp)).toBeLessThan(good * 0.7);
  const [leftEye, rightEye, nose, leftMouth, rightMouth] = atTemplate;
  const turned: FivePoints = [leftEye, rightEye, { x: nose.x + 14, y: nose.y }, leftMouth, rightMouth];
  expect(qualityFactors(turned, sharp).pose).toBeLessThan(qualityFactors(atTemplate, sharp).pose * 0.6);
  const upsideDown: FivePoints = [rightEye, leftEye, nose, rightMouth, leftMouth];
  expect(faceQuality(upsideDown, sharp)).toBe(0);
});

test('a face whose points move between two looks is worth less, and two thirds once they move by a quarter of its eyes', () => {
  const luma: LumaStatistics = { mean: 120, deviation: 50, laplacianVariance: 400 };
  const eyes = Math.hypot(atTemplate[1].x - atTemplate[0].x, atTemplate[1].y - atTemplate[0].y);
  const moved = (share: number): FivePoints => {
    const [left, right, nose, leftMouth, { x, y }] = atTemplate;
    return [left, right, nose, leftMouth, { x: x + share * eyes, y }];
  };
  const quality = [0, 0.03, 0.1, 0.2, 0.25].map((share) => faceQuality(atTemplate, luma, moved(share)));
  expect(quality[0]).toBe(faceQuality(atTemplate, luma));
  expect([...quality].sort((one, other) => other - one)).toEqual(quality);
  expect(quality[1]).toBeGreaterThan(0.9 * quality[0]!);
  expect(quality[4]).toBeCloseTo((2 / 3) * quality[0]!, 6);
});

test('quality does not depend on where the face lies or how the head is tilted', () => {
  const { luma } = resampler.load(smoothFrame(112, 112)).picture(identity, 112, 112);
  fc.assert(
    fc.property(fc.double({ min: -3, max: 3, noNaN: true }), fc.integer({ min: -900, max: 900 }), (angle, shift) => {
      const map = {
        a: Math.cos(angle),
        b: -Math.sin(angle),
        c: shift,
        d: Math.sin(angle),
        e: Math.cos(angle),
        f: -shift,
      };
      const moved = atTemplate.map((one) => applyAffine(map, one)) as unknown as FivePoints;
      expect(faceQuality(moved, luma)).toBeCloseTo(faceQuality(atTemplate, luma), 6);
    }),
  );
});
