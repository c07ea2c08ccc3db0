import type { Frame } from '@sightline/vision';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PixmapReader } from './pixmap-reader.js';

const pixmap = (width: number, height: number, pixels: readonly number[]): Uint8Array =>
  Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), Uint8Array.from(pixels)]);

function reader(frames: Frame[], maximumBytes = 1000): PixmapReader {
  const buffer = (bytes: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(bytes));
  return new PixmapReader({ buffer, maximumBytes, onFrame: (frame) => frames.push(frame) });
}

describe('a reader of pixmaps', () => {
  it('finds the frames in chunks of any size, also when their size changes', () => {
    // Line ends among the pixels are pixels.
    const pictures = [
      { width: 2, height: 1, pixels: [1, 10, 10, 80, 54, 10] },
      { width: 1, height: 3, pixels: [0, 1, 2, 3, 4, 5, 6, 7, 8] },
      { width: 1, height: 1, pixels: [255, 0, 10] },
    ];
    const stream = Buffer.concat(pictures.map(({ width, height, pixels }) => pixmap(width, height, pixels)));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: stream.length }), { maxLength: 60 }), (sizes) => {
        const frames: Frame[] = [];
        const reading = reader(frames);
        let offset = 0;
        for (const size of [...sizes, stream.length]) {
          reading.push(stream.subarray(offset, offset + size));
          offset += size;
        }
        expect(frames.map(({ width, height, data }) => ({ width, height, pixels: [...data] }))).toEqual(pictures);
      }),
    );
  });

  it('takes no memory for what it cannot believe', () => {
    const malformed = expect.objectContaining({ code: 'CAPTURE.MALFORMED_OUTPUT', retryable: true }) as Error;
    for (const text of ['P6\n100 100\n255\n', 'P6\n0 5\n255\n', 'P5\n1 1\n255\n', 'P6\n1 1\n65535\n', 'x'.repeat(30)]) {
      expect(() => reader([]).push(Buffer.from(text))).toThrow(malformed);
    }
  });

  it('notices at the next frame that it has lost its place', () => {
    const frames: Frame[] = [];
    const reading = reader(frames);
    reading.push(pixmap(1, 1, [1, 2, 3, 4]));
    expect(frames).toHaveLength(1);
    expect(() => reading.push(pixmap(1, 1, [1, 2, 3]))).toThrow(/no sequence of pictures/);
  });
});
