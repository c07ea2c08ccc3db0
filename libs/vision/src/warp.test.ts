import fc from 'fast-check';
import { expect, test } from 'vitest';

import { boxToFrame, type Affine } from './affine.js';
import type { Frame } from './frame.js';
import { warp } from './warp.js';

const frameOf = (width: number, height: number): fc.Arbitrary<Frame> =>
  fc
    .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
    .map((data) => ({ width, height, data }));
const frame = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(([w, h]) => frameOf(w, h));
const number = (limit: number) => fc.double({ min: -limit, max: limit, noNaN: true });
const map = fc.record({ a: number(2), b: number(2), c: number(12), d: number(2), e: number(2), f: number(12) });

/** The textbook: one channel of one bilinear sample, with every index clamped. */
function sample({ width, height, data }: Frame, x: number, y: number, channel: number): number {
  const column = Math.min(width - 1, Math.max(0, x));
  const row = Math.min(height - 1, Math.max(0, y));
  let sum = 0;
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      const weight = Math.max(0, 1 - Math.abs(i - column)) * Math.max(0, 1 - Math.abs(j - row));
      sum += weight * data[(j * width + i) * 3 + channel]!;
    }
  }
  return sum;
}

function slowWarp(source: Frame, { a, b, c, d, e, f }: Affine, width: number, height: number): number[] {
  const taps = Math.max(1, Math.ceil(Math.max(Math.hypot(a, d), Math.hypot(b, e)) / 2 - 1e-9));
  const values: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let j = 0; j < taps; j++) {
          for (let i = 0; i < taps; i++) {
            const column = x + (i + 0.5) / taps - 0.5;
            const row = y + (j + 0.5) / taps - 0.5;
            sum += sample(source, a * column + b * row + c, d * column + e * row + f, channel);
          }
        }
        values.push(sum / taps ** 2);
      }
    }
  }
  return values;
}

test('warping equals a slow reference, whether it enlarges, rotates or shrinks', () => {
  fc.assert(
    fc.property(frame, map, (source, toFrame) => {
      const expected = slowWarp(source, toFrame, 5, 4);
      warp(source, toFrame, 5, 4).forEach((value, at) => {
        expect(Math.abs(value - expected[at]!)).toBeLessThanOrEqual(0.5 + 1e-6);
      });
    }),
    { numRuns: 200 },
  );
});

test('a frame at its own size comes out as it went in', () => {
  fc.assert(
    fc.property(frame, (source) => {
      const { width, height } = source;
      const whole = boxToFrame({ x: 0, y: 0, width, height }, width, height);
      expect(warp(source, whole, width, height)).toEqual(source.data);
    }),
  );
});

test('shrinking a fine chequerboard gives its mean, not a pattern', () => {
  const side = 64;
  const data = new Uint8Array(side * side * 3);
  for (let pixel = 0; pixel < side * side; pixel++) {
    if ((pixel + Math.floor(pixel / side)) % 2 === 0) data.fill(200, pixel * 3, pixel * 3 + 3);
  }
  const small = warp(
    { width: side, height: side, data },
    boxToFrame({ x: 0, y: 0, width: side, height: side }, 8, 8),
    8,
    8,
  );
  for (const value of small) expect(Math.abs(value - 100)).toBeLessThanOrEqual(1);
});
