import { create, fromBinary } from '@bufbuild/protobuf';
import {
  IdentificationOutcome,
  LocalDecisionSchema,
  RecordPayloadSchema,
  type PresentationAttack,
  type Sighting,
} from '@sightline/contracts';
import { systemClock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { DeviceClock } from '../device-clock.js';
import { FakeRecogniser, ScriptedSource, type ScriptedFace } from '../testing/fake-recognition.js';
import { digestOf, fakeRelease } from '../testing/fixtures.js';
import { TestLog } from '../testing/test-log.js';
import type { Shot } from './best-shots.js';
import { CameraPipeline } from './camera-pipeline.js';
import { mayBeIdentified, PresentationScores, type PresentationPolicy } from './presentation.js';
import { RecogniserSlot } from './recogniser-slot.js';
import { defaultSightingPolicy } from './sighting-policy.js';

const off: PresentationPolicy = { mode: 'off', minimumLiveScore: 0.5 };
const report: PresentationPolicy = { mode: 'report', minimumLiveScore: 0.5 };
const required: PresentationPolicy = { mode: 'require', minimumLiveScore: 0.5 };

/** A shot of somebody. */
const shotOf = (person: number, quality: number): Shot => ({
  aligned: Uint8Array.of(person),
  surroundings: Uint8Array.of(person),
  quality,
  streamMs: person,
  releaseDigest: digestOf('a'),
});

function scorer(scores: Readonly<Record<number, number>>): FakeRecogniser {
  const recogniser = new FakeRecogniser();
  recogniser.scoresPresentations = true;
  for (const [person, score] of Object.entries(scores)) recogniser.liveScoreOf.set(Number(person), score);
  return recogniser;
}

describe('what shots say of a presentation', () => {
  const shots = [shotOf(1, 0.9), shotOf(2, 0.3)];

  it('is their mean by quality where it is reported, and the lowest where a live one is required', async () => {
    const scores = new PresentationScores();
    expect(await scores.add(shots, scorer({ 1: 0.8, 2: 0.2 }))).toBe(4);
    expect(scores.of(shots, report)?.liveScore).toBeCloseTo(0.65);
    expect(scores.of(shots, report)).toMatchObject({ shots: 2, requiredLiveScore: 0 });
    const strict = scores.of(shots, required);
    expect(strict).toMatchObject({ shots: 2, requiredLiveScore: 0.5 });
    expect(strict?.liveScore).toBeCloseTo(0.2);
    expect([scores.of(shots, off), scores.of([shotOf(1, 0)], off)]).toEqual([undefined, undefined]);
  });

  it('counts shots without quality alike', async () => {
    const scores = new PresentationScores();
    const worthless = [shotOf(1, 0), shotOf(2, 0)];
    await scores.add(worthless, scorer({ 1: 0.8, 2: 0.2 }));
    expect(scores.of(worthless, report)?.liveScore).toBeCloseTo(0.5);
  });

  it('is nothing when a shot was not scored and a live presentation is required', async () => {
    const scores = new PresentationScores();
    await scores.add(shots.slice(0, 1), scorer({ 1: 0.8 }));
    expect(scores.of(shots, report)).toMatchObject({ shots: 1 });
    expect(scores.of(shots, required)).toMatchObject({ shots: 0, requiredLiveScore: 0.5 });
    expect(await new PresentationScores().add(shots, new FakeRecogniser())).toBeUndefined();
  });

  it('scores no shot twice, and takes over what another track was scored', async () => {
    const scores = new PresentationScores();
    await scores.add(shots, scorer({ 1: 0.8, 2: 0.2 }));
    expect(await scores.add(shots, scorer({ 1: 0.1, 2: 0.1 }))).toBeUndefined();
    const heir = new PresentationScores();
    heir.adopt(shots[0]!, scores);
    heir.adopt(shotOf(9, 1), scores);
    expect(heir.of(shots.slice(0, 1), required)?.liveScore).toBeCloseTo(0.8);
  });
});

it('nobody may be identified where a live presentation is required and was not seen', () => {
  const of = (values: Partial<PresentationAttack>) => mayBeIdentified(values as PresentationAttack);
  expect(mayBeIdentified(undefined)).toBe(true);
  expect(of({ liveScore: 0.01, shots: 2, requiredLiveScore: 0 })).toBe(true);
  expect(of({ liveScore: 0.5, shots: 2, requiredLiveScore: 0.5 })).toBe(true);
  expect(of({ liveScore: 0.49, shots: 2, requiredLiveScore: 0.5 })).toBe(false);
  expect(of({ liveScore: 0, shots: 0, requiredLiveScore: 0.1 })).toBe(false);
});

describe('a camera', () => {
  const person: ScriptedFace = { person: 1, x: 10 };

  const somebody = create(LocalDecisionSchema, { outcome: IdentificationOutcome.IDENTIFIED, score: 0.9 });

  async function sightings(presentation: PresentationPolicy, recogniser: FakeRecogniser): Promise<Sighting[]> {
    const slot = new RecogniserSlot();
    void slot.swap(fakeRelease('a', recogniser));
    const stored: Sighting[] = [];
    const frames = [...Array.from({ length: 8 }, () => [person]), [], [], [], [], []];
    const pipeline = new CameraPipeline({
      ...{ cameraId: 'door', slot, presentation, clock: systemClock, random: () => 0.5, log: new TestLog() },
      source: new ScriptedSource(frames),
      store: async ({ payload }) => {
        const { body } = fromBinary(RecordPayloadSchema, payload);
        if (body.case === 'sighting') stored.push(body.value);
      },
      decideLocally: () => somebody,
      deviceClock: new DeviceClock(systemClock, () => true),
      policy: () => ({ ...defaultSightingPolicy, closeAfterMs: 300 }),
    });
    await pipeline.run(new AbortController().signal);
    return stored;
  }

  it('says in every revision how live a person looks, and what it requires', async () => {
    const recorded = await sightings(required, scorer({ 1: 0.25 }));
    expect(recorded.length).toBeGreaterThan(1);
    for (const { presentationAttack, templates, stageMs } of recorded) {
      expect(presentationAttack).toMatchObject({ liveScore: 0.25, shots: templates.length, requiredLiveScore: 0.5 });
      expect(stageMs?.presentation).toBe(4);
    }
  });

  it('names nobody by itself who looks less live than it requires', async () => {
    const named = async (policy: PresentationPolicy, score: number) =>
      (await sightings(policy, scorer({ 1: score }))).filter(({ localDecision }) => localDecision).length;
    expect(await named(required, 0.25)).toBe(0);
    expect(await named(required, 0.75)).toBeGreaterThan(1);
    expect(await named(report, 0.25)).toBeGreaterThan(1);
  });

  it('says nothing where it is off, and that it has not looked where the release cannot', async () => {
    const [silent] = await sightings(off, scorer({ 1: 0.25 }));
    expect(silent?.presentationAttack).toBeUndefined();
    expect(silent?.stageMs?.presentation).toBe(0);
    const [blind] = await sightings(required, new FakeRecogniser());
    expect(blind?.presentationAttack).toMatchObject({ shots: 0, requiredLiveScore: 0.5 });
  });
});
