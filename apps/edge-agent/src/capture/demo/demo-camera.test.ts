import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@sightline/kernel';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from '../../testing/test-log.js';
import type { CapturedFrame } from '../frame-source.js';
import { openSource } from '../open-source.js';
import { DemoCamera, type DemoCameraOptions } from './demo-camera.js';
import { demoScriptSchema, demoTruthSchema, type DemoScriptInput, type DemoTruth } from './script.js';

let directory: string;
let log: TestLog;

const crop = { left: 10, top: 10, width: 100, height: 120 };
const pass = { id: 'one', label: 'Ada', photo: 'photo.png', crop, frames: 4 };
const script: DemoScriptInput = {
  formatVersion: 1,
  seed: 7,
  width: 160,
  height: 120,
  gapFrames: 3,
  passes: [
    { ...pass, motion: { x: [0.3, 0.7], rotation: [-10, 10], brightness: [1, 0.5], blur: [0, 1], sway: 3 } },
    { ...pass, id: 'two', label: 'Bea', gapFrames: 2 },
  ],
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-demo-camera-'));
  log = new TestLog();
  const tones = Uint8Array.from({ length: 200 * 150 * 3 }, (_, index) => (index * 37) % 251);
  await sharp(tones, { raw: { width: 200, height: 150, channels: 3 } }).toFile(join(directory, 'photo.png'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function camera(input: DemoScriptInput, options: Partial<DemoCameraOptions> = {}): DemoCamera {
  return new DemoCamera({
    cameraId: 'cam-1',
    script: demoScriptSchema.parse(input),
    directory,
    truthJournal: join(directory, 'truth.jsonl'),
    loop: false,
    resume: false,
    framesPerSecond: 1000,
    clock: systemClock,
    log,
    ...options,
  });
}

async function play(demo: DemoCamera, limit = Infinity): Promise<readonly CapturedFrame[]> {
  const frames: CapturedFrame[] = [];
  for await (const frame of demo.frames(new AbortController().signal)) {
    frames.push(frame);
    if (frames.length >= limit) break;
  }
  return frames;
}

function truth(): readonly DemoTruth[] {
  const lines = readFileSync(join(directory, 'truth.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => demoTruthSchema.parse(JSON.parse(line)));
}

const digest = (frames: readonly CapturedFrame[]): readonly string[] =>
  frames.map(({ frame }) => createHash('sha256').update(frame.data).digest('hex'));

describe('the demo camera', () => {
  it('plays each pass and the empty frames after it, in the script’s own time', async () => {
    const frames = await play(camera(script));
    expect(frames).toHaveLength(4 + 3 + 4 + 2);
    expect(frames.map(({ streamMs }) => streamMs)).toEqual(frames.map((_, index) => index * 100));
    for (const { frame } of frames) expect(frame).toMatchObject({ width: 160, height: 120 });
    expect(frames[0]?.frame.data).toHaveLength(160 * 120 * 3);
    const digests = digest(frames);
    // Every frame of a moving pass differs; the empty room is always the same.
    expect(new Set(digests.slice(0, 4)).size).toBe(4);
    expect(new Set([...digests.slice(4, 7), ...digests.slice(11)]).size).toBe(1);
  });

  it('shows the same pictures for the same seed, and others for another', async () => {
    const first = digest(await play(camera(script)));
    expect(digest(await play(camera(script)))).toEqual(first);
    expect(digest(await play(camera({ ...script, seed: 8 })))).not.toEqual(first);
  });

  it('journals the truth around what it captured', async () => {
    const frames = await play(camera(script));
    const [start, end, ...others] = truth();
    expect(start).toMatchObject({ event: 'started', cameraId: 'cam-1', passId: 'one', label: 'Ada' });
    expect(end).toMatchObject({ event: 'ended', passId: 'one' });
    expect(others.map(({ event, passId }) => `${passId} ${event}`)).toEqual(['two started', 'two ended']);
    const captured = frames.slice(0, 4).map(({ capturedAt }) => capturedAt.wallMs);
    expect(start!.wallMs).toBeLessThanOrEqual(captured[0]!);
    expect(end!.wallMs).toBeGreaterThanOrEqual(Math.floor(captured[3]!));
  });

  it('goes on after the passes that were begun before it was killed', async () => {
    await play(camera(script), 2);
    const frames = await play(camera(script, { resume: true }));
    expect(frames).toHaveLength(4 + 2);
    expect(truth().map(({ event, passId }) => `${passId} ${event}`)).toEqual([
      'one started',
      'two started',
      'two ended',
    ]);
  });

  it('plays again and again when it loops, under other pass ids', async () => {
    const frames = await play(camera(script, { loop: true }), 20);
    expect(frames.at(-1)?.streamMs).toBe(1900);
    expect(truth().map(({ passId }) => passId)).toContain('one#2');
  });

  it('skips a pass whose photo cannot be read, without naming the file', async () => {
    writeFileSync(join(directory, 'jane.jpg'), 'no image');
    const [, second] = script.passes;
    const passes = [{ ...pass, photo: 'jane.jpg' }, { ...pass, id: 'gone', photo: 'no-such.jpg' }, second!];
    const frames = await play(camera({ ...script, passes }));
    expect(frames).toHaveLength(3 + 3 + 4 + 2);
    expect(log.codes).toEqual(['CAPTURE.FILE_UNREADABLE', 'CAPTURE.FILE_UNREADABLE']);
    expect(JSON.stringify(log.lines)).not.toContain('jane');
    expect(truth().map(({ passId }) => passId)).toEqual(['two', 'two']);
  });

  it('ends without an error when it is stopped while it waits', async () => {
    const stop = new AbortController();
    let count = 0;
    for await (const frame of camera(script, { framesPerSecond: 0.01 }).frames(stop.signal)) {
      expect(frame.index).toBe(0);
      count += 1;
      setTimeout(() => stop.abort(new Error('stop')), 5);
    }
    expect(count).toBe(1);
  });
});

describe('a demo script', () => {
  it('is refused with every bad key named', async () => {
    const path = join(directory, 'script.json');
    const source = { kind: 'demo', script: path, loop: false, resume: false, framesPerSecond: 10 } as const;
    const decode = (): Promise<never> => Promise.reject(new Error('unused'));
    const open = (): Promise<unknown> =>
      openSource({ id: 'cam-1', source, privacyZones: [] }, { decode, clock: systemClock, log, closeAfterMs: 100 });
    writeFileSync(path, JSON.stringify({ ...script, seed: -1, passes: [{ ...pass, frames: 0, surprise: true }] }));
    await expect(open()).rejects.toMatchObject({
      code: 'CONFIG.INVALID',
      details: { keys: expect.arrayContaining(['seed', 'passes.0.frames', 'passes.0.surprise']) as string[] },
    });
    writeFileSync(path, 'no script');
    await expect(open()).rejects.toMatchObject({ code: 'CONFIG.INVALID' });
  });

  it('is refused when two passes have one id, or when its gaps are too short for tracks to close', async () => {
    expect(demoScriptSchema.safeParse({ ...script, passes: [pass, pass] }).success).toBe(false);
    const path = join(directory, 'script.json');
    writeFileSync(path, JSON.stringify(script));
    const source = { kind: 'demo', script: path, loop: false, resume: false, framesPerSecond: 10 } as const;
    const options = { decode: () => Promise.reject(new Error('unused')), clock: systemClock, log };
    const opening = openSource({ id: 'cam-1', source, privacyZones: [] }, { ...options, closeAfterMs: 300 });
    await expect(opening).rejects.toMatchObject({ code: 'CONFIG.INVALID' });
    await expect(
      openSource({ id: 'cam-1', source, privacyZones: [] }, { ...options, closeAfterMs: 299 }),
    ).resolves.toBeDefined();
  });
});
