import { fromBinary } from '@bufbuild/protobuf';
import { RecordPayloadSchema, SightingPhase, type Sighting } from '@sightline/contracts';
import { systemClock } from '@sightline/kernel';

import type { FrameSource } from '../capture/frame-source.js';
import type { RelativePolygon } from '../capture/region.js';
import { DeviceClock } from '../device-clock.js';
import type { NewRecord } from '../outbox/outbox-store.js';
import { CameraPipeline } from '../pipeline/camera-pipeline.js';
import { RecogniserSlot } from '../pipeline/recogniser-slot.js';
import { defaultSightingPolicy, type SightingPolicy } from '../pipeline/sighting-policy.js';
import type { SparingPolicy } from '../sparing/search-schedule.js';
import { FakeRecogniser, type ScriptedFace } from './fake-recognition.js';
import { fakeRelease } from './fixtures.js';
import { TestLog } from './test-log.js';

/** One camera with what it made. */
interface Stage {
  readonly pipeline: CameraPipeline;
  readonly sightings: Sighting[];
  readonly slot: RecogniserSlot;
  readonly recogniser: FakeRecogniser;
  readonly log: TestLog;
}

/** A camera before a fake recogniser. */
export function stage(
  source: FrameSource,
  options: {
    readonly policy?: Partial<SightingPolicy>;
    readonly store?: (record: NewRecord) => Promise<unknown>;
    readonly regionOfInterest?: RelativePolygon;
    readonly sparing?: SparingPolicy;
  } = {},
): Stage {
  const sightings: Sighting[] = [];
  const recogniser = new FakeRecogniser();
  const slot = new RecogniserSlot();
  void slot.swap(fakeRelease('a', recogniser));
  const log = new TestLog();
  const pipeline = new CameraPipeline({
    cameraId: 'cam-1',
    source,
    regionOfInterest: options.regionOfInterest,
    sparing: options.sparing,
    slot,
    store: async (record) => {
      await options.store?.(record);
      const { body } = fromBinary(RecordPayloadSchema, record.payload);
      if (body.case === 'sighting') sightings.push(body.value);
      const isOpen = body.case === 'sighting' && body.value.phase !== SightingPhase.CLOSE;
      if (record.leavesOpen !== isOpen) throw new Error('the record says otherwise than the sighting');
    },
    deviceClock: new DeviceClock(systemClock, () => true),
    policy: () => ({ ...defaultSightingPolicy, closeAfterMs: 300, ...options.policy }),
    clock: systemClock,
    random: () => 0.5,
    log,
  });
  return { pipeline, sightings, slot, recogniser, log };
}

/** The same faces in so many frames. */
export const times = (count: number, ...faces: ScriptedFace[]): readonly (readonly ScriptedFace[])[] =>
  Array.from({ length: count }, () => faces);

export const run = (pipeline: CameraPipeline): Promise<void> => pipeline.run(new AbortController().signal);
export const phases = (sightings: readonly Sighting[]): readonly SightingPhase[] => sightings.map(({ phase }) => phase);
