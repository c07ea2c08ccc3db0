import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { decodeImage } from '@sightline/recognition';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from '../testing/test-log.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { FolderSource } from './folder-source.js';
import type { CapturedFrame } from './frame-source.js';

let directory: string;
let clock: VirtualClock;
let log: TestLog;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-folder-'));
  clock = new VirtualClock();
  log = new TestLog();
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function image(name: string, tone: number): Promise<void> {
  const picture = sharp({ create: { width: 48, height: 40, channels: 3, background: { r: tone, g: tone, b: tone } } });
  writeFileSync(join(directory, name), await picture.png().toBuffer());
}

function source(loop = false): FolderSource {
  return new FolderSource({ directory, loop, framesPerSecond: 10, decode: (bytes) => decodeImage(bytes), clock, log });
}

/** Takes frames until the source ends or so many came, while time passes. */
async function take(folder: FolderSource, limit = Infinity): Promise<readonly CapturedFrame[]> {
  const frames: CapturedFrame[] = [];
  const stop = new AbortController();
  const done = new AbortController();
  const taking = (async () => {
    for await (const frame of folder.frames(stop.signal)) {
      frames.push(frame);
      if (frames.length >= limit) stop.abort(new Error('enough'));
    }
  })().finally(() => done.abort());
  taking.catch(() => undefined);
  // Decoding takes real time, which virtual time must not run away from.
  while (!done.signal.aborted) {
    await clock.advance(50);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await taking;
  return frames;
}

describe('an image folder', () => {
  it('plays its images in natural order at its rate, then ends', async () => {
    await image('10.png', 100);
    await image('2.PNG', 20);
    await image('1.png', 10);
    writeFileSync(join(directory, 'notes.txt'), 'no image');
    const frames = await take(source());
    expect(frames.map(({ frame }) => frame.data[0])).toEqual([10, 20, 100]);
    expect(frames.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(frames.map(({ streamMs }) => streamMs)).toEqual([0, 100, 200]);
    expect(frames[0]?.frame).toMatchObject({ width: 48, height: 40 });
    const [first, , third] = frames.map(({ capturedAt }) => capturedAt);
    expect(third!.monotonicMs - first!.monotonicMs).toBeGreaterThanOrEqual(200);
    expect(log.codes).toEqual([]);
  });

  it('reports what is no readable image, once and without its name, and goes on', async () => {
    await image('1.png', 10);
    writeFileSync(join(directory, '2-jane-doe.jpg'), 'no image at all');
    writeFileSync(join(directory, '3.jpg'), '');
    await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } }).toFile(join(directory, '4.png'));
    mkdirSync(join(directory, '5.png'));
    await image('6.png', 60);
    const frames = await take(source(true), 4);
    expect(frames.map(({ frame }) => frame.data[0])).toEqual([10, 60, 10, 60]);
    expect(frames.map(({ index }) => index)).toEqual([0, 5, 6, 11]);
    expect(log.codes).toEqual([
      'IMAGE.UNSUPPORTED_FORMAT',
      'IMAGE.UNSUPPORTED_FORMAT',
      'IMAGE.TOO_SMALL',
      'CAPTURE.FILE_UNREADABLE',
    ]);
    expect(JSON.stringify(log.lines)).not.toContain('jane');
  });

  it('waits in a folder that has nothing to show until it has', async () => {
    const looping = source(true);
    const taking = take(looping, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await image('late.png', 77);
    expect((await taking)[0]?.frame.data[0]).toBe(77);
  });

  it('says when the folder cannot be read', async () => {
    rmSync(directory, { recursive: true });
    await expect(take(source())).rejects.toMatchObject({ code: 'CAPTURE.SOURCE_UNAVAILABLE', retryable: true });
  });
});
