import fc from 'fast-check';
import { expect, test } from 'vitest';

import { boxToFrame, type Affine } from './affine.js';
import type { Frame } from './frame.js';
import { identity, Resampler } from './resampler.js';
import type { InputFormat } from './tensor-input.js';

const resampler = new Resampler();

const frameOf = (width: number, height: number): fc.Arbitrary<Frame> =>
  fc
    .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
    .map((data) => ({ width, height, data }));
const side = fc.integer({ min: 1, max: 20 });
const frame = fc.tuple(side, side).chain(([width, height]) => frameOf(width, height));
const number = (limit: number) => fc.double({ min: -limit, max: limit, noNaN: true });
const turned = fc.record({ a: number(6), b: number(6), c: number(30), d: number(6), e: number(6), f: number(30) });
const upright = turned.map((map): Affine => ({ ...map, b: 0, d: 0 }));
const map = fc.oneof(upright, turned);

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

/** Half a frame: means of two by two in bytes, the last column and row counting twice where they are alone. */
function slowHalf({ width, height, data }: Frame): Frame {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const at = (x: number, y: number, channel: number): number =>
    data[(Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 3 + channel]!;
  const bytes = Array.from({ length: half.width * half.height * 3 }, (_, index) => {
    const x = 2 * (Math.floor(index / 3) % half.width);
    const y = 2 * Math.floor(index / 3 / half.width);
    const channel = index % 3;
    return Math.round(
      (at(x, y, channel) + at(x + 1, y, channel) + at(x, y + 1, channel) + at(x + 1, y + 1, channel)) / 4,
    );
  });
  return { ...half, data: Uint8Array.from(bytes) };
}

/** Colours 0 to 255, not rounded, pixel by pixel. */
function slowly(source: Frame, toFrame: Affine, width: number, height: number): number[] {
  const { a, b, c, d, e, f } = toFrame;
  const { width: columns, height: rows } = source;
  if (Math.min(Math.hypot(a, d), Math.hypot(b, e)) > 2 + 1e-9 && Math.ceil(Math.min(columns, rows) / 2) > 1) {
    const half = { a: a / 2, b: b / 2, c: (c - 0.5) / 2, d: d / 2, e: e / 2, f: (f - 0.5) / 2 };
    return slowly(slowHalf(source), half, width, height);
  }
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

/** The values of a tensor as {@link slowly} orders them. */
function slowTensor(colours: readonly number[], { width, height, channels, mean, scale }: InputFormat): number[] {
  const pixels = width * height;
  return Array.from({ length: pixels * (channels === 'grey' ? 1 : 3) }, (_, at) => {
    const plane = Math.floor(at / pixels);
    const [red, green, blue] = colours.slice((at % pixels) * 3, (at % pixels) * 3 + 3) as [number, number, number];
    const value =
      channels === 'grey'
        ? 0.299 * red + 0.587 * green + 0.114 * blue
        : channels === 'rgb'
          ? [red, green, blue][plane]!
          : [blue, green, red][plane]!;
    return (value - (mean[plane] ?? mean[0]!)) / (scale[plane] ?? scale[0]!);
  });
}

const perChannel = (least: number, most: number) =>
  fc
    .array(fc.double({ min: least, max: most, noNaN: true }), { minLength: 1, maxLength: 3 })
    .filter((all) => all.length !== 2);
const format: fc.Arbitrary<InputFormat> = fc.record({
  width: fc.integer({ min: 1, max: 11 }),
  height: fc.integer({ min: 1, max: 6 }),
  channels: fc.constantFrom('rgb', 'bgr', 'grey'),
  mean: perChannel(0, 255),
  scale: perChannel(0.5, 256),
});

test('a tensor equals a slow reference for any frame, map, size, order of channels and normalisation', () => {
  fc.assert(
    fc.property(frame, map, format, (source, toFrame, input) => {
      const expected = slowTensor(slowly(source, toFrame, input.width, input.height), input);
      const actual = resampler.load(source).tensor(toFrame, input);
      expect(actual.length).toBe(expected.length);
      const plane = input.width * input.height;
      expected.forEach((value, at) => {
        const scale = input.scale[Math.floor(at / plane)] ?? input.scale[0]!;
        expect(Math.abs(value - actual[at]!) * scale).toBeLessThanOrEqual(0.1);
      });
    }),
    { numRuns: 500 },
  );
});

test('a picture equals a slow reference but for rounding', () => {
  fc.assert(
    fc.property(
      frame,
      map,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 5 }),
      (source, to, width, height) => {
        const expected = slowly(source, to, width, height);
        const { data } = resampler.load(source).picture(to, width, height);
        expect(data.length).toBe(expected.length);
        data.forEach((value, at) => expect(Math.abs(value - expected[at]!)).toBeLessThanOrEqual(0.6));
      },
    ),
    { numRuns: 300 },
  );
});

test('the luma of a picture has the mean, deviation and Laplacian of its bytes', () => {
  fc.assert(
    fc.property(frame, (source) => {
      const { width, height, data } = source;
      const luma = Array.from({ length: width * height }, (_, pixel) => {
        const [red = 0, green = 0, blue = 0] = data.subarray(pixel * 3);
        return 0.299 * red + 0.587 * green + 0.114 * blue;
      });
      const inner = [...luma.keys()].filter((at) => {
        const x = at % width;
        const y = Math.floor(at / width);
        return x > 0 && y > 0 && x < width - 1 && y < height - 1;
      });
      const laplacian = inner.map(
        (at) => luma[at - 1]! + luma[at + 1]! + luma[at - width]! + luma[at + width]! - 4 * luma[at]!,
      );
      const actual = resampler.load(source).picture(identity, width, height).luma;
      expect(actual.mean).toBeCloseTo(moments(luma).mean, 2);
      expect(actual.deviation ** 2).toBeCloseTo(moments(luma).variance, 0);
      const { variance } = moments(laplacian);
      expect(Math.abs(actual.laplacianVariance - variance)).toBeLessThanOrEqual(1e-3 * (100 + variance));
    }),
  );
});

function moments(values: readonly number[]): { mean: number; variance: number } {
  if (values.length === 0) return { mean: 0, variance: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
}

test('a frame at its own size comes out as it went in, and turned over as its mirror image', () => {
  fc.assert(
    fc.property(frame, (source) => {
      const { width, height, data } = source;
      const loaded = resampler.load(source);
      expect(loaded.picture(identity, width, height).data).toEqual(data);
      const whole = boxToFrame({ x: 0, y: 0, width, height }, width, height);
      expect(loaded.picture(whole, width, height).data).toEqual(data);
      const mirrored = loaded.picture({ ...identity, a: -1, c: width - 1 }, width, height).data;
      for (let pixel = 0; pixel < width * height; pixel++) {
        const from = Math.floor(pixel / width) * width + (width - 1 - (pixel % width));
        expect(mirrored.slice(pixel * 3, pixel * 3 + 3)).toEqual(data.slice(from * 3, from * 3 + 3));
      }
    }),
  );
});

test('shrinking a fine chequerboard gives its mean, not a pattern', () => {
  const size = 64;
  const data = new Uint8Array(size * size * 3);
  for (let pixel = 0; pixel < size * size; pixel++) {
    if ((pixel + Math.floor(pixel / size)) % 2 === 0) data.fill(200, pixel * 3, pixel * 3 + 3);
  }
  const loaded = resampler.load({ width: size, height: size, data });
  const small = loaded.picture(boxToFrame({ x: 0, y: 0, width: size, height: size }, 8, 8), 8, 8);
  for (const value of small.data) expect(Math.abs(value - 100)).toBeLessThanOrEqual(1);
});

test('places far outside the frame show its edge, and a face in a wide frame is as sharp as in a small one', () => {
  const width = 40_000;
  const data = Uint8Array.from({ length: width * 2 * 3 }, (_, at) => Math.floor(at / 3) % 251);
  const loaded = resampler.load({ width, height: 2, data });
  const picture = (c: number, b = 0) =>
    loaded.picture({ a: 1, b, c, d: b, e: 1, f: 0 }, 5, 1).data.filter((_, at) => at % 3 === 0);
  expect([...picture(-1e12)]).toEqual([0, 0, 0, 0, 0]);
  expect([...picture(1e12, 1e-12)]).toEqual(Array.from({ length: 5 }, () => (width - 1) % 251));
  const start = 39_000;
  for (const b of [0, 1e-12]) {
    expect([...picture(start, b)]).toEqual([0, 1, 2, 3, 4].map((at) => (start + at) % 251));
  }
});

test('no map, however absurd, leads out of the memory', () => {
  const any = fc.oneof(fc.double(), fc.constantFrom(0, 1, Number.NaN, Number.POSITIVE_INFINITY, -1e300));
  const absurd = fc.record({ a: any, b: any, c: any, d: any, e: any, f: any });
  const input: InputFormat = { width: 5, height: 3, channels: 'rgb', mean: [0], scale: [1] };
  fc.assert(
    fc.property(frame, absurd, (source, toFrame) => {
      const loaded = resampler.load(source);
      expect(loaded.picture(toFrame, 5, 3).data.length).toBe(45);
      expect(loaded.tensor(toFrame, input).length).toBe(45);
    }),
    { numRuns: 1000 },
  );
});

test('a frame that another has replaced cannot be read', () => {
  const source = { width: 2, height: 1, data: new Uint8Array(6) };
  const first = resampler.load(source);
  const second = resampler.load(source);
  expect(() => first.picture(identity, 2, 1)).toThrow('another frame');
  expect(second.picture(identity, 2, 1).data).toEqual(source.data);
});

test('the memory of an enormous frame is given back', () => {
  const own = new Resampler();
  const input: InputFormat = { width: 8, height: 8, channels: 'rgb', mean: [0], scale: [1] };
  const heldBytes = (width: number, height: number): number => {
    const loaded = own.load({ width, height, data: new Uint8Array(width * height * 3).fill(7) });
    const tensor = loaded.tensor(boxToFrame({ x: 0, y: 0, width, height }, 8, 8), input);
    for (const value of tensor) expect(value).toBeCloseTo(7, 4);
    const { byteLength } = tensor.buffer;
    own.unload();
    return byteLength;
  };
  expect(heldBytes(8000, 4000)).toBeGreaterThan(96e6);
  expect(heldBytes(64, 64)).toBeLessThan(1e6);
});

test('frames whose data is not of their size are refused', () => {
  for (const [width, height, bytes] of [
    [2, 2, 11],
    [0, 0, 0],
    [-1, -1, 3],
    [1.5, 2, 9],
    [Number.NaN, 1, 3],
  ] as const) {
    expect(() => resampler.load({ width, height, data: new Uint8Array(bytes) })).toThrow('width × height');
  }
});
