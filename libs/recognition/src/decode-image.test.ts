import { AppError } from '@sightline/kernel';
import { samplePhotos } from '@sightline/testing';
import { readFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { expect, test } from 'vitest';

import { decodeImage } from './decode-image.js';

const photo = async (): Promise<Buffer> => readFile(samplePhotos()[0]!);

const picture = (width: number, height: number, background = '#c08040') =>
  sharp({ create: { width, height, channels: 3, background } });

/** A valid black picture of one bit a pixel: 50 kB for 400 million pixels. */
function blackPng(side: number): Buffer {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1; // bits a pixel; all the rest is zero: grey, deflate, no filter, not interlaced
  const rows = deflateSync(Buffer.alloc((side / 8 + 1) * side));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

async function codeOf(bytes: Uint8Array, options = {}): Promise<unknown> {
  return decodeImage(bytes, options).then(
    () => 'decoded',
    (error: unknown) => (error instanceof AppError ? error.code : error),
  );
}

test('a photograph becomes RGB rows', async () => {
  const { width, height, data } = await decodeImage(await photo());
  expect([width, height, data.length]).toEqual([1920, 1280, 1920 * 1280 * 3]);
  const png = await decodeImage(await picture(40, 50).png().toBuffer());
  expect([png.width, png.height, ...png.data.subarray(0, 3)]).toEqual([40, 50, 0xc0, 0x80, 0x40]);
});

test('every format of photographs is read', async () => {
  const original = picture(64, 48);
  for (const bytes of await Promise.all([
    original.jpeg().toBuffer(),
    original.png().toBuffer(),
    original.webp().toBuffer(),
    original.avif().toBuffer(),
    original.tiff().toBuffer(),
    original.gif().toBuffer(),
  ])) {
    const frame = await decodeImage(bytes);
    expect([frame.width, frame.height, frame.data.length]).toEqual([64, 48, 64 * 48 * 3]);
  }
});

test('the EXIF orientation is applied', async () => {
  const upright = await sharp({ create: { width: 60, height: 40, channels: 3, background: 'black' } })
    .composite([{ input: await picture(20, 20, '#ffffff').png().toBuffer(), left: 0, top: 0 }])
    .jpeg({ quality: 100 })
    .withMetadata({ orientation: 6 }) // to be turned by 90° clockwise
    .toBuffer();
  const { width, height, data } = await decodeImage(upright);
  expect([width, height]).toEqual([40, 60]);
  const at = (x: number, y: number): number => data[(y * width + x) * 3]!;
  expect(at(35, 5)).toBeGreaterThan(200);
  expect(at(5, 5)).toBeLessThan(50);
});

test('grey, 16-bit, CMYK and transparent pictures become RGB on white', async () => {
  const grey = await decodeImage(await picture(40, 40, '#808080').greyscale().png().toBuffer());
  expect([...grey.data.subarray(0, 3)]).toEqual([128, 128, 128]);
  const deep = await decodeImage(await picture(40, 40).toColourspace('rgb16').png().toBuffer());
  expect([...deep.data.subarray(0, 3)]).toEqual([0xc0, 0x80, 0x40]);
  const cmyk = await decodeImage(await picture(40, 40).toColourspace('cmyk').jpeg().toBuffer());
  expect(cmyk.data.length).toBe(40 * 40 * 3);
  const clear = await decodeImage(
    await sharp({ create: { width: 40, height: 40, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
      .png()
      .toBuffer(),
  );
  expect([...clear.data.subarray(0, 3)]).toEqual([255, 255, 255]);
});

test('a broken or truncated image is unreadable', async () => {
  const bytes = await photo();
  expect(await codeOf(bytes.subarray(0, bytes.length / 2))).toBe('IMAGE.UNREADABLE');
  expect(await codeOf(bytes.subarray(0, 100))).toBe('IMAGE.UNREADABLE');
  const png = await picture(400, 300).png().toBuffer();
  expect(await codeOf(png.subarray(0, png.length - 40))).toBe('IMAGE.UNREADABLE');
  const scrambled = Buffer.from(bytes);
  scrambled.fill(0xff, 2, 2000);
  expect(await codeOf(scrambled)).toBe('IMAGE.UNREADABLE');
});

test('a file that is no photograph is not supported', async () => {
  for (const text of ['', 'hello', '%PDF-1.7 ', '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>']) {
    expect(await codeOf(new TextEncoder().encode(text))).toBe('IMAGE.UNSUPPORTED_FORMAT');
  }
});

test('one pixel is too small, and the limits are options', async () => {
  expect(await codeOf(await picture(1, 1).png().toBuffer())).toBe('IMAGE.TOO_SMALL');
  expect(await codeOf(await picture(500, 31).png().toBuffer())).toBe('IMAGE.TOO_SMALL');
  expect(await codeOf(await picture(20, 20).png().toBuffer(), { minSide: 10 })).toBe('decoded');
  expect(await codeOf(await picture(100, 100).png().toBuffer(), { maxPixels: 9999 })).toBe('IMAGE.TOO_LARGE');
});

test('an image of 20,000 × 20,000 pixels is refused at once and without being decoded', async () => {
  const bomb = blackPng(20_000);
  expect((await sharp(bomb, { limitInputPixels: false }).metadata()).width).toBe(20_000);
  const memory = process.memoryUsage().rss;
  const began = performance.now();
  expect(await codeOf(bomb)).toBe('IMAGE.TOO_LARGE');
  expect(performance.now() - began).toBeLessThan(1000);
  expect(process.memoryUsage().rss - memory).toBeLessThan(100e6);
});
