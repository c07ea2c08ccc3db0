import { describe, expect, it } from 'vitest';

import type { CameraStatus } from '../pipeline/camera-pipeline.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { ProgressWatch } from './progress-watch.js';

const running = { cameraId: 'door', state: 'running', frames: 0, problem: null } as CameraStatus;

function watched() {
  const clock = new VirtualClock();
  const box = {
    camera: running,
    answer: (): Promise<unknown> | undefined => Promise.resolve(),
    asked: 0,
    outbox: { stored: 0, waiting: 0, problem: null as string | null },
  };
  const watch = new ProgressWatch({
    cameras: () => [box.camera],
    askRecogniser: () => {
      box.asked += 1;
      return box.answer();
    },
    outbox: () => box.outbox,
    clock,
  });
  /** What is stuck after so long, looked at every ten seconds as the agent does; `each` runs before every look. */
  const after = async (seconds: number, each: () => void = () => undefined): Promise<readonly string[]> => {
    let stuck: readonly string[] = [];
    for (let passed = 0; passed < seconds; passed += 10) {
      each();
      stuck = watch.check();
      await clock.advance(10_000);
    }
    return stuck;
  };
  return { box, after };
}

describe('the watch over progress', () => {
  it('is content while frames are looked at, and asks the recogniser nothing', async () => {
    const { box, after } = watched();
    box.camera = { ...running, frames: 1 };
    await after(10);
    box.asked = 0;
    const frame = (): void => {
      box.camera = { ...box.camera, frames: box.camera.frames + 1 };
    };
    expect(await after(600, frame)).toEqual([]);
    expect(box.asked).toBe(0);
  });

  it('finds a camera that is said to run and brings nothing for three minutes', async () => {
    const { after } = watched();
    expect(await after(180)).toEqual([]);
    expect(await after(20)).toEqual(['camera:door']);
  });

  it.each([{ problem: 'CAPTURE.STALLED' }, { state: 'ended' as const }, { state: 'waiting' as const }])(
    'excuses a camera of which it is known that nothing comes: %o',
    async (known) => {
      const { box, after } = watched();
      box.camera = { ...running, ...known };
      expect(await after(900)).toEqual([]);
    },
  );

  it('asks an idle recogniser once a minute, and finds one that does not answer for two', async () => {
    const { box, after } = watched();
    box.camera = { ...running, problem: 'CAPTURE.SOURCE_UNAVAILABLE' };
    expect(await after(600)).toEqual([]);
    expect(box.asked).toBeLessThanOrEqual(11);
    box.answer = () => new Promise(() => undefined);
    expect(await after(60)).toEqual([]);
    expect(await after(140)).toEqual(['recogniser']);
  });

  it('takes a refusal for a sign of life, and expects none without a release', async () => {
    const { box, after } = watched();
    box.camera = { ...running, state: 'waiting' };
    box.answer = () => Promise.reject(new Error('a worker crashed'));
    expect(await after(400)).toEqual([]);
    box.answer = () => undefined;
    expect(await after(400)).toEqual([]);
  });

  it('finds an outbox that stores nothing of what waits and does not say why', async () => {
    const { box, after } = watched();
    box.camera = { ...running, state: 'waiting' };
    box.outbox = { stored: 5, waiting: 3, problem: 'OUTBOX.DISK_FULL' };
    expect(await after(600)).toEqual([]);
    box.outbox = { ...box.outbox, problem: null };
    expect(await after(200)).toEqual(['outbox']);
    box.outbox = { ...box.outbox, stored: 6 };
    expect(await after(10)).toEqual([]);
  });
});
