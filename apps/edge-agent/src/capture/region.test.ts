import type { Frame } from '@sightline/vision';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { CapturedFrame, FrameSource } from './frame-source.js';
import { MaskedSource } from './masked-source.js';
import { blacken, isCentredIn, spansUnder, type RelativePolygon } from './region.js';

const white = (width: number, height: number): Frame => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(255),
});

/** Rows of a frame, # where it is black. */
function drawn({ width, height, data }: Frame): readonly string[] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (__, x) => (data[(y * width + x) * 3] === 0 ? '#' : '.')).join(''),
  );
}

function masked(zones: readonly RelativePolygon[], width: number, height: number): readonly string[] {
  const frame = white(width, height);
  blacken(frame, spansUnder(zones, frame));
  return drawn(frame);
}

const rectangle = (left: number, top: number, right: number, bottom: number): RelativePolygon => [
  { x: left, y: top },
  { x: right, y: top },
  { x: right, y: bottom },
  { x: left, y: bottom },
];

describe('privacy zones', () => {
  it('blacken every pixel that they touch, and all three channels of it', () => {
    expect(masked([rectangle(0.25, 0.25, 0.75, 0.5)], 8, 4)).toEqual(['........', '..####..', '........', '........']);
    expect(masked([rectangle(0.3, 0.3, 0.7, 0.51)], 8, 4)).toEqual(['........', '..####..', '..####..', '........']);
    const frame = white(4, 4);
    blacken(frame, spansUnder([rectangle(0, 0, 1, 1)], frame));
    expect(frame.data.every((value) => value === 0)).toBe(true);
  });

  it('may be any polygon, several, and as thin as a line', () => {
    const notched = [
      { x: 0, y: 0 },
      { x: 0.5, y: 0.5 },
      { x: 1, y: 0 },
      { x: 1, y: 1 },
      { x: 0, y: 1 },
    ];
    expect(masked([notched], 8, 4)).toEqual(['##....##', '########', '########', '########']);
    expect(masked([rectangle(0, 0, 0.1, 0.1), rectangle(0.9, 0.9, 1, 1)], 4, 2)).toEqual(['#...', '...#']);
    expect(masked([rectangle(0.6, 0.1, 0.6, 0.9)], 4, 3)).toEqual(['..#.', '..#.', '..#.']);
    expect(masked([rectangle(0.1, 0.5, 0.9, 0.5)], 4, 3)).toEqual(['....', '####', '....']);
  });

  it('hide every point that lies in them, whatever their shape and the size of the frame', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    const polygon = fc.array(fc.record({ x: part, y: part }), { minLength: 3, maxLength: 7 });
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(polygon, side, side, fc.record({ x: part, y: part }), (zone, width, height, { x, y }) => {
        fc.pre(x < 1 && y < 1);
        if (!isCentredIn(zone, { x: x * width, y: y * height, width: 0, height: 0 }, { width, height })) return;
        expect(masked([zone], width, height)[Math.floor(y * height)]?.[Math.floor(x * width)]).toBe('#');
      }),
      { numRuns: 2000 },
    );
  });

  it('lie over a frame before it is handed out, and follow its size', async () => {
    const frames = [white(4, 2), white(4, 2), white(2, 4)];
    const capturedAt = { monotonicMs: 0, wallMs: 0 };
    const source: FrameSource = {
      droppedFrames: 7,
      async *frames(): AsyncIterable<CapturedFrame> {
        for (const [index, frame] of frames.entries()) yield { frame, index, streamMs: index, capturedAt };
      },
    };
    const seen: (readonly string[])[] = [];
    const hidden = new MaskedSource(source, [rectangle(0, 0, 1, 0.5)]);
    for await (const { frame } of hidden.frames(new AbortController().signal)) seen.push(drawn(frame));
    expect(seen).toEqual([
      ['####', '....'],
      ['####', '....'],
      ['##', '##', '..', '..'],
    ]);
    expect(hidden.droppedFrames).toBe(7);
  });
});

describe('a region of interest', () => {
  it('holds the faces whose centre lies in it', () => {
    const region = rectangle(0.5, 0, 1, 1);
    const frame = { width: 100, height: 100 };
    expect(isCentredIn(region, { x: 45, y: 10, width: 20, height: 20 }, frame)).toBe(true);
    expect(isCentredIn(region, { x: 35, y: 10, width: 20, height: 20 }, frame)).toBe(false);
    // A face may reach over the frame's edge; its centre does not.
    expect(isCentredIn(region, { x: 80, y: -8, width: 30, height: 20 }, frame)).toBe(true);
  });
});
