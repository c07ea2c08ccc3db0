import { CloseReason, SightingPhase } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import type { FrameSource } from '../capture/frame-source.js';
import { type FakeRecogniser, ScriptedSource } from '../testing/fake-recognition.js';
import { digestOf, fakeRelease } from '../testing/fixtures.js';
import { phases, run, stage, times } from '../testing/pipeline-stage.js';
import { RecogniserSlot } from './recogniser-slot.js';

const { OPEN, UPDATE, CLOSE } = SightingPhase;

describe('a camera', () => {
  it('makes one sighting of one track: opened, then closed with the same id and a higher revision', async () => {
    const { pipeline, sightings } = stage(new ScriptedSource([...times(8, { person: 1, x: 10 }), ...times(5)]));
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE]);
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(1);
    const [opened, closed] = sightings;
    expect(opened).toMatchObject({ revision: 1, cameraId: 'cam-1', releaseDigest: digestOf('a'), frames: 3 });
    expect(closed).toMatchObject({ revision: 2, frames: 8, closeReason: CloseReason.LEFT });
    expect(closed?.firstSeenAt?.monotonicMs).toBe(1000n);
    expect(closed?.lastSeenAt?.monotonicMs).toBe(1700n);
    expect(pipeline.status).toMatchObject({ state: 'ended', frames: 13, failedFrames: 0, sightings: 1 });
  });

  it('carries protected int8 templates of the best shots, best first, with the stages’ medians', async () => {
    const qualities = [0.4, 0.5, 0.9, 0.5, 0.4, 0.6, 0.4, 0.4];
    const frames = qualities.map((quality) => [{ person: 1, x: 10, quality }]);
    const { pipeline, sightings, recogniser } = stage(new ScriptedSource([...frames, ...times(5)]));
    await run(pipeline);
    const closed = sightings.at(-1)!;
    expect(closed.templates.map(({ quality }) => Number(quality.toFixed(1)))).toEqual([0.9, 0.6, 0.5]);
    expect(closed.quality).toBeCloseTo(0.9);
    expect(closed.templates[0]).toMatchObject({ modelSpace: 'fake-space', dimension: 8, codec: 1 });
    expect(closed.templates[0]?.variantDigest).toHaveLength(32);
    expect(closed.templates[0]?.data).toHaveLength(8);
    expect(closed.stageMs).toMatchObject({ detect: 2, landmarks: 1, align: 1, embed: 3 });
    // No shot twice, and none that did not get into a revision.
    expect(recogniser.embedded).toBeLessThanOrEqual(5);
  });

  it('never makes one sighting of two faces in one frame', async () => {
    const both = [
      { person: 1, x: 10 },
      { person: 2, x: 300 },
    ];
    const { pipeline, sightings } = stage(new ScriptedSource([...times(6, ...both), ...times(5)]));
    await run(pipeline);
    const closed = sightings.filter(({ phase }) => phase === CLOSE);
    expect(closed).toHaveLength(2);
    expect(closed[0]?.templates[0]?.data).not.toEqual(closed[1]?.templates[0]?.data);
  });

  it('forgets a ghost of two frames', async () => {
    const { pipeline, sightings } = stage(new ScriptedSource([...times(2, { person: 1, x: 10 }), ...times(5)]));
    await run(pipeline);
    expect(sightings).toEqual([]);
    expect(pipeline.status.sightings).toBe(0);
  });

  it('stores a person whose face was never good enough once, without templates', async () => {
    const poor = { person: 1, x: 10, quality: 0.1 };
    const { pipeline, sightings, recogniser } = stage(new ScriptedSource([...times(8, poor), ...times(5)]));
    await run(pipeline);
    expect(sightings).toHaveLength(1);
    expect(sightings[0]).toMatchObject({ phase: CLOSE, revision: 1, templates: [], frames: 8 });
    expect(sightings[0]?.quality).toBeCloseTo(0.1);
    expect(recogniser.embedded).toBe(0);
  });

  it('ignores faces outside of its region of interest', async () => {
    // Frames are 64 pixels wide, faces 50: their centres lie at 25 and at 55.
    const both = [
      { person: 1, x: 0 },
      { person: 2, x: 30 },
    ];
    const right = [
      { x: 0.5, y: 0 },
      { x: 1, y: 0 },
      { x: 1, y: 1 },
      { x: 0.5, y: 1 },
    ];
    const source = new ScriptedSource([...times(8, ...both), ...times(5)]);
    const { pipeline, sightings } = stage(source, { regionOfInterest: right });
    await run(pipeline);
    const closed = sightings.filter(({ phase }) => phase === CLOSE);
    expect(closed).toHaveLength(1);
    expect(closed[0]?.templates[0]?.data[2]).not.toBe(0);
    expect(closed[0]).toMatchObject({ frames: 8, stageMs: { landmarks: 1 } });
  });

  it('opens by time with a single good shot', async () => {
    const frames = [0.1, 0.1, 0.7, 0.1, 0.1, 0.1, 0.1].map((quality) => [{ person: 1, x: 10, quality }]);
    const { pipeline, sightings } = stage(new ScriptedSource([...frames, ...times(5)]));
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE]);
    expect(sightings[0]).toMatchObject({ frames: 6 });
  });

  it('updates on a clearly better shot, not too often', async () => {
    const frames = [
      ...times(5, { person: 1, x: 10, quality: 0.4 }),
      ...times(15, { person: 1, x: 10, quality: 0.7 }),
      ...times(15, { person: 1, x: 10, quality: 0.75 }),
      ...times(5),
    ];
    const { pipeline, sightings } = stage(new ScriptedSource(frames));
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, UPDATE, CLOSE]);
    expect(sightings.map(({ revision }) => revision)).toEqual([1, 2, 3]);
    expect(sightings[1]?.quality).toBeCloseTo(0.7);
  });

  it('closes what is in view at the end of the source, and what is in view when it is stopped', async () => {
    const ended = stage(new ScriptedSource(times(6, { person: 1, x: 10 })));
    await run(ended.pipeline);
    expect(ended.sightings.at(-1)).toMatchObject({ phase: CLOSE, closeReason: CloseReason.LEFT });

    const stop = new AbortController();
    const source = new ScriptedSource(times(1000, { person: 1, x: 10 }), async (index) => {
      if (index === 10) stop.abort(new Error('stop'));
    });
    const stopped = stage(source);
    await stopped.pipeline.run(stop.signal);
    expect(stopped.sightings.at(-1)).toMatchObject({
      phase: CLOSE,
      closeReason: CloseReason.AGENT_STOPPED,
      frames: 10,
    });
  });
});

describe('a camera that loses somebody for a moment', () => {
  const policy = { closeAfterMs: 3000 };
  /** Out of sight for half a second, and then far from where they were. */
  const seenAgain = (person: number) => [
    ...times(6, { person: 1, x: 10 }),
    ...times(5),
    ...times(8, { person, x: 600 }),
    ...times(1),
  ];

  it('goes on with the sighting when the face is the same', async () => {
    const { pipeline, sightings, log } = stage(new ScriptedSource(seenAgain(1)), { policy });
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE]);
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(1);
    expect(sightings[1]).toMatchObject({ frames: 14 });
    expect(sightings[1]?.lastSeenAt?.monotonicMs).toBe(2800n);
    expect(log.codes).toEqual([]);
  });

  it('opens another when it is somebody else', async () => {
    const { pipeline, sightings, recogniser } = stage(new ScriptedSource(seenAgain(2)), { policy });
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, OPEN, CLOSE, CLOSE]);
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(2);
    // What was embedded to compare is what is sent.
    expect(recogniser.embedded).toBeLessThanOrEqual(7);
  });

  it('opens another when nobody can tell', async () => {
    let recogniser: FakeRecogniser | undefined = undefined as FakeRecogniser | undefined;
    const source = new ScriptedSource(seenAgain(1), async (index) => {
      if (index === 11 && recogniser) recogniser.failures.embed = new AppError('WORKER.CRASHED', 'gone');
    });
    const set = stage(source, { policy });
    recogniser = set.recogniser;
    await run(set.pipeline);
    expect(new Set(set.sightings.map(({ sightingId }) => sightingId)).size).toBe(2);
    expect(set.sightings.filter(({ phase }) => phase === CLOSE)).toHaveLength(2);
    expect(set.log.codes).toEqual(['WORKER.CRASHED']);
  });

  it('never makes one of two who were in one frame, however alike', async () => {
    const twins = [
      { person: 1, x: 10 },
      { person: 1, x: 600 },
    ];
    const { pipeline, sightings } = stage(
      new ScriptedSource([...times(6, ...twins), ...times(5), ...times(6, { person: 1, x: 300 }), ...times(1)]),
      { policy },
    );
    await run(pipeline);
    // The third goes on as one of them, not as both.
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(2);
  });
});

describe('a camera in trouble', () => {
  it('survives frames in which recognition fails, and says so once', async () => {
    const failure = new AppError('MODEL.INVALID', 'no');
    const failing = new Set([3, 4]);
    let recogniser: FakeRecogniser | undefined = undefined as FakeRecogniser | undefined;
    const source = new ScriptedSource([...times(9, { person: 1, x: 10 }), ...times(5)], async (index) => {
      if (recogniser && failing.has(index)) recogniser.failures.detect = failure;
    });
    const set = stage(source);
    recogniser = set.recogniser;
    await run(set.pipeline);
    expect(set.pipeline.status).toMatchObject({ state: 'ended', failedFrames: 2, frames: 14 });
    expect(set.log.codes).toEqual(['MODEL.INVALID']);
    expect(phases(set.sightings)).toEqual([OPEN, CLOSE]);
  });

  it('makes up for an embedding that failed with the next revision', async () => {
    const set = stage(new ScriptedSource([...times(8, { person: 1, x: 10 }), ...times(5)]));
    set.recogniser.failures.embed = new AppError('WORKER.CRASHED', 'gone', { retryable: true });
    await run(set.pipeline);
    expect(phases(set.sightings)).toEqual([OPEN, CLOSE]);
    expect(set.sightings[0]?.templates).toEqual([]);
    expect(set.sightings[1]?.templates.length).toBeGreaterThan(0);
    expect(set.log.codes).toEqual(['WORKER.CRASHED']);
  });

  it('goes on when a record cannot be stored, and says so', async () => {
    let calls = 0;
    const store = async (): Promise<void> => {
      if ((calls += 1) === 1) throw new AppError('OUTBOX.OVERLOADED', 'full', { retryable: true });
    };
    const set = stage(new ScriptedSource([...times(8, { person: 1, x: 10 }), ...times(5)]), { store });
    await run(set.pipeline);
    expect(set.log.codes).toEqual(['OUTBOX.OVERLOADED']);
    expect(set.sightings).toMatchObject([{ phase: CLOSE, revision: 1 }]);
  });

  it('starts a source again that failed for now, and gives one up that failed for good', async () => {
    let attempts = 0;
    const moody: FrameSource = {
      async *frames(signal) {
        attempts += 1;
        yield* new ScriptedSource(times(4, { person: attempts, x: 10 })).frames(signal);
        const retryable = attempts === 1;
        throw new AppError('CAPTURE.SOURCE_UNAVAILABLE', 'gone', { retryable });
      },
    };
    const { pipeline, sightings, log } = stage(moody);
    await run(pipeline);
    expect(attempts).toBe(2);
    expect(pipeline.status).toMatchObject({ state: 'failed', problem: 'CAPTURE.SOURCE_UNAVAILABLE' });
    expect(log.codes).toEqual(['CAPTURE.SOURCE_UNAVAILABLE', 'CAPTURE.SOURCE_UNAVAILABLE']);
    // Two plays, two sightings: a track never spans them.
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(2);
    expect(sightings.filter(({ phase }) => phase === CLOSE)).toHaveLength(2);
  });

  it('says once, not at each attempt, what keeps frames from coming, and nothing any more once they come', async () => {
    const problems: unknown[] = [];
    const away: FrameSource = {
      async *frames(signal) {
        problems.push(pipeline.status.problem);
        if (problems.length < 3) throw new AppError('CAPTURE.STALLED', 'silent', { retryable: true });
        yield* new ScriptedSource(times(1)).frames(signal);
      },
    };
    const { pipeline, log } = stage(away);
    await run(pipeline);
    expect(problems).toEqual([null, 'CAPTURE.STALLED', 'CAPTURE.STALLED']);
    expect(log.codes).toEqual(['CAPTURE.STALLED']);
    expect(pipeline.status).toMatchObject({ state: 'ended', problem: null });
  });
});

describe('a camera whose release is replaced', () => {
  it('waits for the first release', async () => {
    const { pipeline, slot, sightings } = stage(new ScriptedSource(times(6, { person: 1, x: 10 })));
    await slot.close();
    const running = run(pipeline);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pipeline.status).toMatchObject({ state: 'waiting', frames: 0 });
    await slot.swap(fakeRelease('b'));
    await running;
    expect(sightings.at(-1)).toMatchObject({ phase: CLOSE, releaseDigest: digestOf('b') });
  });

  it('keeps an open sighting’s templates and its release, and loses no record', async () => {
    const next = fakeRelease('b');
    let slot: RecogniserSlot | undefined = undefined as RecogniserSlot | undefined;
    const source = new ScriptedSource([...times(20, { person: 1, x: 10 }), ...times(5)], async (index) => {
      if (index === 8) await slot?.swap(next);
    });
    const set = stage(source);
    slot = set.slot;
    await run(set.pipeline);
    expect(set.recogniser.isClosed).toBe(true);
    expect(phases(set.sightings)).toEqual([OPEN, CLOSE]);
    expect(set.sightings.map(({ releaseDigest }) => releaseDigest)).toEqual([digestOf('a'), digestOf('a')]);
    expect(set.sightings[1]).toMatchObject({ frames: 20 });
    expect(set.sightings[1]?.templates.length).toBeGreaterThan(0);
    expect(next.recogniser.embedded).toBe(0);
  });

  it('takes shots of the new release alone when none of the old one was embedded', async () => {
    const next = fakeRelease('b');
    let slot: RecogniserSlot | undefined = undefined as RecogniserSlot | undefined;
    const source = new ScriptedSource([...times(12, { person: 1, x: 10 }), ...times(5)], async (index) => {
      if (index === 2) await slot?.swap(next);
    });
    const set = stage(source);
    slot = set.slot;
    await run(set.pipeline);
    expect(set.recogniser.embedded).toBe(0);
    expect(set.sightings.map(({ releaseDigest }) => releaseDigest)).toEqual([digestOf('b'), digestOf('b')]);
    expect(set.sightings.at(-1)?.templates.length).toBeGreaterThan(0);
  });
});

describe('the place of the recogniser', () => {
  it('closes a release only when the calls that use it have ended', async () => {
    const slot = new RecogniserSlot();
    const [old, next] = [fakeRelease('a'), fakeRelease('b')];
    await slot.swap(old);
    let release: () => void = () => undefined;
    const busy = slot.use(() => new Promise<void>((resolve) => (release = resolve)));
    await slot.swap(next);
    const fake = old.recogniser;
    expect(fake.isClosed).toBe(false);
    expect(await slot.use(async ({ digest }) => digest)).toBe(digestOf('b'));
    release();
    await busy;
    expect(fake.isClosed).toBe(true);
    await slot.close();
    await expect(slot.use(async () => undefined)).rejects.toMatchObject({ code: 'RELEASE.UNAVAILABLE' });
    await expect(slot.ready(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});
