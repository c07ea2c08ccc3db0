import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cameraSchema, openSource, type CapturedFrame, type FrameSource } from '@sightline/edge-agent';
import { silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { differenceOf, ffmpeg, jpeg, patternFilm, photoFilm, type PhotoFilm } from './films.js';
import { MjpegCamera } from './mjpeg-camera.js';
import { commandLineOf, ffmpegsOf } from './processes.js';
import { RtspCamera } from './rtsp-camera.js';
import { until } from './until.js';

const directory = mkdtempSync(join(tmpdir(), 'sightline-video-'));
const password = "s3cret / 'of' %the dóor";
let photos: PhotoFilm;
let pattern: string;

beforeAll(async () => {
  photos = await photoFilm(directory, 320, 240);
  pattern = await patternFilm(join(directory, 'pattern.mp4'), '320x240', 3);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

afterEach(() => expect(ffmpegsOf(process.pid)).toEqual([]));

interface Options {
  readonly privacyZones?: readonly (readonly { readonly x: number; readonly y: number }[])[];
}

async function open(source: Readonly<Record<string, unknown>>, options: Options = {}): Promise<FrameSource> {
  const decode = (): Promise<never> => Promise.reject(new Error('FFmpeg decodes'));
  const camera = cameraSchema.parse({ id: 'cam-1', source, ...options });
  return openSource(camera, { decode, closeAfterMs: 100, clock: systemClock, log: silentLogger });
}

/** Copies of what a source delivers, until it ends or so many have come. */
async function take(source: FrameSource, limit = Infinity): Promise<readonly CapturedFrame[]> {
  const stop = new AbortController();
  const frames: CapturedFrame[] = [];
  for await (const captured of source.frames(stop.signal)) {
    const { frame } = captured;
    frames.push({ ...captured, frame: { ...frame, data: Uint8Array.from(frame.data) } });
    if (frames.length >= limit) stop.abort(new Error('enough'));
  }
  return frames;
}

describe('a video file', () => {
  it('is played at its own pace, frame by frame as it was filmed', async () => {
    const frames = await take(await open({ kind: 'file', path: photos.path }));
    expect(frames.length).toBeGreaterThanOrEqual(28);
    expect(frames.length).toBeLessThanOrEqual(31);
    const shown = frames.map(({ frame }) => {
      const differences = photos.pictures.map((picture) => differenceOf(frame.data, picture));
      const nearest = differences.indexOf(Math.min(...differences));
      expect(differences[nearest]).toBeLessThan(6);
      return nearest;
    });
    expect([...new Set(shown)]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    const times = frames.map(({ streamMs }) => streamMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const lasted = (times.at(-1) ?? 0) - (times[0] ?? 0);
    expect(lasted).toBeGreaterThan(2300);
    expect(lasted).toBeLessThan(6000);
    expect(frames.every(({ frame }) => frame.width === 320 && frame.height === 240)).toBe(true);
  });

  it('is capped in rate and size, and turned', async () => {
    const limits = { maximumFramesPerSecond: 4, maximumWidth: 200, maximumHeight: 160, rotateDegrees: 90 };
    const frames = await take(await open({ kind: 'file', path: photos.path, ...limits }));
    expect(frames.length).toBeGreaterThanOrEqual(11);
    expect(frames.length).toBeLessThanOrEqual(13);
    expect(frames[0]?.frame).toMatchObject({ width: 120, height: 160 });
  });

  it('has black privacy zones, and is untouched beside them', async () => {
    const half = [
      { x: 0, y: 0 },
      { x: 0.5, y: 0 },
      { x: 0.5, y: 1 },
      { x: 0, y: 1 },
    ];
    const [first] = await take(await open({ kind: 'file', path: photos.path }, { privacyZones: [half] }), 1);
    const { data, width } = first!.frame;
    const columns = data.reduce((sums, value, index) => {
      sums[Math.floor(index / 3) % width]! += value;
      return sums;
    }, new Float64Array(width));
    expect(columns.subarray(0, 160).every((sum) => sum === 0)).toBe(true);
    expect(columns.subarray(160).every((sum) => sum > 0)).toBe(true);
  });

  it('is shown as far as it can be read when it is damaged, and given up when nothing can', async () => {
    const stream = join(directory, 'pattern.ts');
    await ffmpeg('-i', pattern, '-c', 'copy', stream);
    const bytes = readFileSync(stream);
    for (let at = 4000; at < bytes.length; at += 1500) bytes.fill(0xa5, at, at + 60);
    const damaged = join(directory, 'damaged.ts');
    writeFileSync(damaged, bytes);
    const truncated = join(directory, 'truncated.ts');
    writeFileSync(truncated, readFileSync(stream).subarray(0, Math.floor(bytes.length * 0.6)));
    const headless = join(directory, 'jane-doe.mp4');
    writeFileSync(headless, readFileSync(pattern).subarray(0, 5000));
    const playing = [damaged, truncated].map(async (path) => take(await open({ kind: 'file', path })));
    const [fromDamaged = [], fromTruncated = []] = await Promise.all(playing);
    expect(fromDamaged.length).toBeGreaterThan(5);
    expect(fromTruncated.length).toBeGreaterThan(10);
    expect(fromTruncated.length).toBeLessThan(25);
    const refusal = await take(await open({ kind: 'file', path: headless })).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'CAPTURE.NOT_A_VIDEO', retryable: false });
    expect(String(refusal)).not.toContain('jane');
    const missing = await open({ kind: 'file', path: join(directory, 'gone.mp4') });
    await expect(take(missing)).rejects.toMatchObject({ code: 'CAPTURE.SOURCE_UNAVAILABLE', retryable: true });
  });

  it('starts again when it is looped', async () => {
    const short = await patternFilm(join(directory, 'short.mp4'), '64x48', 0.5);
    const frames = await take(await open({ kind: 'file', path: short, loop: true }), 12);
    const firsts = frames.filter(({ frame }) => differenceOf(frame.data, frames[0]!.frame.data) < 1);
    expect(firsts.length).toBeGreaterThanOrEqual(3);
    expect(frames.map(({ index }) => index)).toEqual([...frames.keys()]);
  });
});

describe('a camera’s password', () => {
  it('opens the stream, and is in no process listing and no error', async () => {
    const rtsp = new RtspCamera(pattern, password);
    const mjpeg = new MjpegCamera(await jpeg(64, 48, 100), password);
    await Promise.all([rtsp.start(), mjpeg.start()]);
    try {
      for (const [kind, camera] of [
        ['rtsp', rtsp],
        ['mjpeg', mjpeg],
      ] as const) {
        const listings: string[] = [];
        const stop = new AbortController();
        for await (const { frame } of (await open({ kind, url: camera.url })).frames(stop.signal)) {
          expect(frame.height).toBeGreaterThan(0);
          listings.push(...ffmpegsOf(process.pid).map(commandLineOf));
          stop.abort(new Error('enough'));
        }
        expect(listings).toHaveLength(1);
        expect(listings[0]).toContain('pipe:0');
        expect(listings[0]).not.toMatch(/viewer|s3cret|127\.0\.0\.1/);
        const wrong = await open({ kind, url: camera.urlWith('wr0ng') });
        const refusal = await take(wrong).catch((error: unknown) => error);
        expect(refusal).toMatchObject({ code: 'CAPTURE.UNAUTHORISED' });
        expect(String(refusal)).not.toMatch(/wr0ng|viewer/);
      }
    } finally {
      await rtsp.kill();
      mjpeg.close();
    }
  });
});

describe('FFmpeg', () => {
  it('ends with its source, by force when it does not listen', async () => {
    const source = await open({ kind: 'file', path: pattern });
    const began = performance.now();
    for await (const { index } of source.frames(new AbortController().signal)) {
      if (index < 3) continue;
      for (const pid of ffmpegsOf(process.pid)) process.kill(pid, 'SIGSTOP');
      break;
    }
    expect(ffmpegsOf(process.pid)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('does not outlive an agent that is killed while its camera is silent', async () => {
    const camera = new MjpegCamera(await jpeg(64, 48, 100), password);
    camera.silent = true;
    await camera.start();
    const script = fileURLToPath(new URL('open-camera.mjs', import.meta.url));
    const agent = spawn(process.execPath, [script, camera.url], { stdio: 'ignore' });
    try {
      await until(() => camera.connections > 0, 'the camera is watched');
      const [pid = 0] = ffmpegsOf(agent.pid);
      expect(pid).toBeGreaterThan(0);
      const gone = once(agent, 'exit');
      agent.kill('SIGKILL');
      await gone;
      await until(() => !ffmpegsOf().includes(pid), 'FFmpeg is gone', 3000);
    } finally {
      agent.kill('SIGKILL');
      camera.close();
    }
  });
});
