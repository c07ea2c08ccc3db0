import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { jpeg, patternFilm } from './films.js';
import { MjpegCamera } from './mjpeg-camera.js';
import { ffmpegsOf } from './processes.js';
import { RtspCamera } from './rtsp-camera.js';
import { until } from './until.js';
import { WatchingAgent, type Seen } from './watching-agent.js';

const password = 'open sesame';
let directory: string;
let agent: WatchingAgent | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-cameras-'));
});

afterEach(async () => {
  const log = agent?.log.join('\n') ?? '';
  await agent?.stop();
  agent = undefined;
  expect(ffmpegsOf(process.pid)).toEqual([]);
  expect(log).not.toMatch(/sesame|viewer/);
  rmSync(directory, { recursive: true, force: true });
});

/** Waits for more frames that look like that. */
async function more(count: number, which: (seen: Seen) => boolean, what: string): Promise<void> {
  const matching = (): number => agent?.seen.filter(which).length ?? 0;
  const before = matching();
  await until(() => matching() >= before + count, what);
}

describe('an agent with two cameras', () => {
  it('watches both, and goes on when their FFmpegs are killed', async () => {
    const film = await patternFilm(join(directory, 'film.mp4'), '320x240', 30);
    const camera = new MjpegCamera(await jpeg(160, 120, 90), password);
    await camera.start();
    try {
      agent = await WatchingAgent.start(directory, [
        { id: 'film', source: { kind: 'file', path: film, loop: true } },
        { id: 'door', source: { kind: 'mjpeg', url: camera.url } },
      ]);
      await Promise.all([
        more(5, ({ width }) => width === 320, 'the film is seen'),
        more(5, ({ width }) => width === 160, 'the door is seen'),
      ]);
      for (const pid of ffmpegsOf(process.pid)) process.kill(pid, 'SIGKILL');
      await until(() => ffmpegsOf(process.pid).length === 2, 'both are started again');
      await Promise.all([
        more(10, ({ width }) => width === 320, 'the film is seen again'),
        more(10, ({ width }) => width === 160, 'the door is seen again'),
      ]);
      expect(agent.log.filter((line) => line.includes('CAPTURE.'))).toHaveLength(2);
      expect(agent.cameras).toMatchObject([
        { cameraId: 'film', state: 'running' },
        { cameraId: 'door', state: 'running' },
      ]);
    } finally {
      camera.close();
    }
  });
});

describe('a camera that speaks MJPEG', () => {
  it('is seen again after it stalled, and in its new size after its resolution has changed', async () => {
    const camera = new MjpegCamera(await jpeg(160, 120, 90), password);
    await camera.start();
    try {
      const source = { kind: 'mjpeg', url: camera.url, stallAfterMs: 1500 } as const;
      agent = await WatchingAgent.start(directory, [{ id: 'door', source }]);
      await more(5, ({ width }) => width === 160, 'the camera is seen');
      camera.silent = true;
      await until(() => agent?.log.some((line) => line.includes('CAPTURE.STALLED')) ?? false, 'it is noticed');
      camera.silent = false;
      await more(5, ({ width }) => width === 160, 'the camera is seen again');
      camera.picture = await jpeg(120, 160, 200);
      await more(5, ({ width, height }) => width === 120 && height === 160, 'the new size is seen');
      expect(agent.seen.at(-1)?.tone).toBeGreaterThan(190);
      // What FFmpeg squeezed into the old size before it was noticed is next to nothing.
      expect(agent.seen.filter(({ width, tone }) => width === 160 && tone > 150).length).toBeLessThan(5);
    } finally {
      camera.close();
    }
  });
});

describe('a camera that speaks RTSP', () => {
  it('is seen again after it died and returned', async () => {
    const camera = new RtspCamera(await patternFilm(join(directory, 'film.mp4'), '320x240', 60), password);
    await camera.start();
    try {
      const source = { kind: 'rtsp', url: camera.url, stallAfterMs: 4000 } as const;
      agent = await WatchingAgent.start(directory, [{ id: 'door', source }]);
      await more(10, () => true, 'the camera is seen');
      await camera.kill();
      await until(() => agent?.log.some((line) => line.includes('CAPTURE.')) ?? false, 'its death is noticed');
      await camera.start();
      await more(10, () => true, 'the camera is seen again');
      expect(agent.cameras).toMatchObject([{ state: 'running' }]);
    } finally {
      await camera.kill();
    }
  });
});
