import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { IouTracker } from './tracking-iou.js';
import type { TrackerDetection, TrackId } from './tracking.js';

const FRAME_MS = 100;

function face(x: number, y = 100, size = 80): TrackerDetection {
  return { box: { x, y, width: size, height: size }, score: 0.9 };
}

/** Plays frames at a fixed rate and returns what each detection was assigned to. */
function play(tracker: IouTracker, frames: readonly (readonly TrackerDetection[])[]): readonly (readonly TrackId[])[] {
  return frames.map((detections, index) =>
    tracker.step(detections, index * FRAME_MS).assignments.map(({ trackId }) => trackId),
  );
}

describe('the tracker', () => {
  it('confirms a track after two consecutive hits and keeps its id', () => {
    const tracker = new IouTracker();
    const first = tracker.step([face(10)], 0);
    expect(first).toMatchObject({ opened: [], assignments: [{ confirmed: false }] });
    const id = first.assignments[0]!.trackId;
    expect(tracker.step([face(15)], 100)).toMatchObject({
      opened: [id],
      assignments: [{ trackId: id, detection: 0, confirmed: true }],
    });
    expect(tracker.step([face(20)], 200)).toMatchObject({ opened: [], assignments: [{ trackId: id }] });
  });

  it('drops a flicker of the detector without ever opening it', () => {
    const tracker = new IouTracker();
    const id = tracker.step([face(10)], 0).assignments[0]!.trackId;
    expect(tracker.step([], 100)).toEqual({ assignments: [], opened: [], closed: [], dropped: [id] });
    expect(tracker.finish()).toEqual({ closed: [], dropped: [] });
  });

  it('closes a track only when it was unseen for longer than closeAfterMs of frame time', () => {
    const tracker = new IouTracker({ closeAfterMs: 500 });
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    expect(tracker.step([], 600).closed).toEqual([]);
    expect(tracker.step([], 601).closed).toEqual([id]);
    expect(tracker.step([], 700).closed).toEqual([]);
  });

  it('can be told to close sooner while it runs', () => {
    const tracker = new IouTracker({ closeAfterMs: 5000 });
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    tracker.closeAfterMs = 200;
    expect(tracker.step([], 400).closed).toEqual([id]);
  });

  it('gives a new track to whoever appears where somebody long gone was', () => {
    const tracker = new IouTracker({ closeAfterMs: 500 });
    const [before] = play(tracker, [[face(10)], [face(10)]])[1]!;
    const step = tracker.step([face(10)], 5000);
    expect(step.closed).toEqual([before]);
    expect(step.assignments[0]!.trackId).not.toBe(before);
  });

  it('bridges missed detections of a moving face by its speed', () => {
    const tracker = new IouTracker();
    const frames = [[face(0)], [face(25)], [face(50)], [], [], [face(125)], [face(150)]];
    const ids = play(tracker, frames).flat();
    expect(new Set(ids).size).toBe(1);
  });

  it('follows a face faster than its own width between two frames once its speed is known', () => {
    const tracker = new IouTracker({ minimumIou: 0.25 });
    const ids = play(tracker, [[face(0)], [face(40)], [face(90)], [face(150)], [face(220)], [face(300)]]).flat();
    expect(new Set(ids).size).toBe(1);
  });

  it('keeps two people apart who cross each other on different heights', () => {
    const tracker = new IouTracker();
    const frames = Array.from({ length: 13 }, (_, i) => [face(i * 20, 100), face(240 - i * 20, 140)]);
    const ids = play(tracker, frames);
    for (const pair of ids) expect(pair).toEqual(ids[0]);
  });

  it('closes what is confirmed and drops what is not at the end of the stream', () => {
    const tracker = new IouTracker();
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    const young = tracker.step([face(10), face(400)], 200).assignments[1]!.trackId;
    expect(tracker.finish()).toEqual({ closed: [id], dropped: [young] });
  });

  it('survives time that stands still or goes back', () => {
    const tracker = new IouTracker();
    const id = tracker.step([face(10)], 1000).assignments[0]!.trackId;
    expect(tracker.step([face(12)], 1000).opened).toEqual([id]);
    expect(tracker.step([face(14)], 0).assignments[0]!.trackId).toBe(id);
    expect(tracker.step([], 0).closed).toEqual([]);
  });
});

describe('the tracker, whatever it sees', () => {
  const boxes = fc.record({
    x: fc.integer({ min: -50, max: 640 }),
    y: fc.integer({ min: -50, max: 480 }),
    width: fc.integer({ min: 0, max: 200 }),
    height: fc.integer({ min: 0, max: 200 }),
  });
  const streams = fc.array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: 700 }),
      detections: fc.array(
        boxes.map((box): TrackerDetection => ({ box, score: 0.9 })),
        { maxLength: 5 },
      ),
    }),
    { maxLength: 20 },
  );

  it('never gives two detections of one frame to one track', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        const tracker = new IouTracker();
        let atMs = 0;
        for (const { afterMs, detections } of stream) {
          const { assignments } = tracker.step(detections, (atMs += afterMs));
          expect(assignments.map(({ detection }) => detection)).toEqual(detections.map((_, index) => index));
          expect(new Set(assignments.map(({ trackId }) => trackId)).size).toBe(detections.length);
        }
      }),
    );
  });

  it('opens each track at most once, ends each exactly once, and never speaks of it again', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        const tracker = new IouTracker({ closeAfterMs: 400 });
        const [seen, opened, ended] = [new Set<TrackId>(), new Set<TrackId>(), new Set<TrackId>()];
        let atMs = 0;
        for (const { afterMs, detections } of stream) {
          const step = tracker.step(detections, (atMs += afterMs));
          for (const { trackId } of step.assignments) {
            expect(ended.has(trackId)).toBe(false);
            seen.add(trackId);
          }
          for (const id of step.opened) {
            expect(opened.has(id)).toBe(false);
            opened.add(id);
          }
          for (const id of step.closed) expect(opened.has(id)).toBe(true);
          for (const id of [...step.closed, ...step.dropped]) {
            expect(ended.has(id)).toBe(false);
            ended.add(id);
          }
        }
        const rest = tracker.finish();
        for (const id of [...rest.closed, ...rest.dropped]) ended.add(id);
        expect(ended).toEqual(seen);
      }),
    );
  });
});
