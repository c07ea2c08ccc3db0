import { fromBinary } from '@bufbuild/protobuf';
import { RecordPayloadSchema, SightingPhase, type Sighting } from '@sightline/contracts';
import { silentLogger, systemClock } from '@sightline/kernel';
import { openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DemoCamera } from '../capture/demo/demo-camera.js';
import { demoScriptSchema, type DemoScriptInput } from '../capture/demo/script.js';
import { DeviceClock } from '../device-clock.js';
import { fakeRelease, testProtector } from '../testing/fixtures.js';
import { TestLog } from '../testing/test-log.js';
import { CameraPipeline } from './camera-pipeline.js';
import { RecogniserSlot } from './recogniser-slot.js';
import { defaultSightingPolicy } from './sighting-policy.js';

const slot = new RecogniserSlot();
const [, second = ''] = samplePhotos();
/** Two people of the second sample photo, and how they pass. */
const cleo = { photo: second, crop: { left: 794, top: 119, width: 360, height: 468 }, frames: 6 };
const dora = { photo: second, crop: { left: 1346, top: 47, width: 388, height: 483 }, frames: 6 };
const walk = {
  x: [0.35, 0.6],
  height: [0.75, 0.95],
  rotation: [-5, 5],
  sway: 2,
} satisfies DemoScriptInput['passes'][number]['motion'];
const dusk = {
  x: [0.6, 0.45],
  rotation: [8, 2],
  brightness: [0.5, 0.7],
} satisfies DemoScriptInput['passes'][number]['motion'];

beforeAll(async () => {
  const recogniser = await openRecogniser({ bundle: await defaultBundle(), log: silentLogger });
  await slot.swap({ ...fakeRelease(), recogniser, protector: testProtector(recogniser.dimension) });
});

afterAll(() => slot.close());

function codes(sighting: Sighting): Int8Array {
  const { data } = sighting.templates[0]!;
  return new Int8Array(data.buffer, data.byteOffset, data.length);
}

function cosine(a: Int8Array, b: Int8Array): number {
  let [dot, ofA, ofB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    dot += value * other;
    ofA += value * value;
    ofB += other * other;
  }
  return dot / Math.sqrt(ofA * ofB);
}

describe('a camera with the default models', () => {
  it('makes one sighting of each pass, alike for one person and unlike for two', async () => {
    const script = demoScriptSchema.parse({
      formatVersion: 1,
      seed: 5,
      gapFrames: 5,
      passes: [
        { id: '1', label: 'cleo', ...cleo, motion: walk },
        { id: '2', label: 'dora', ...dora, motion: walk },
        { id: '3', label: 'cleo', ...cleo, motion: dusk },
      ],
    } satisfies DemoScriptInput);
    const log = new TestLog();
    const options = { directory: '/', loop: false, resume: false, framesPerSecond: 1000, clock: systemClock, log };
    const closed: Sighting[] = [];
    const pipeline = new CameraPipeline({
      cameraId: 'cam-1',
      source: new DemoCamera({ cameraId: 'cam-1', script, ...options }),
      slot,
      store: async ({ payload }) => {
        const { body } = fromBinary(RecordPayloadSchema, payload);
        if (body.case === 'sighting' && body.value.phase === SightingPhase.CLOSE) closed.push(body.value);
      },
      deviceClock: new DeviceClock(systemClock),
      policy: () => ({ ...defaultSightingPolicy, closeAfterMs: 300 }),
      clock: systemClock,
      random: Math.random,
      log,
    });
    await pipeline.run(new AbortController().signal);
    expect(log.codes).toEqual([]);
    expect(closed).toHaveLength(3);
    const [cleoOnce, doraOnce, cleoAgain] = closed.map(codes);
    expect(cosine(cleoOnce!, cleoAgain!)).toBeGreaterThan(0.5);
    expect(cosine(cleoOnce!, doraOnce!)).toBeLessThan(0.3);
    for (const { quality, stageMs } of closed) {
      expect(quality).toBeGreaterThan(0.3);
      for (const ms of [stageMs?.detect, stageMs?.landmarks, stageMs?.align, stageMs?.embed])
        expect(ms).toBeGreaterThan(0);
    }
  });
});
