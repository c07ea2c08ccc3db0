import { describe, expect, it } from 'vitest';

import { ByteTracker, type ByteTrackerOptions } from './tracking-byte.js';
import type { TrackerDetection, TrackerStep, TrackId } from './tracking.js';

const FRAME_MS = 100;

function face(x: number, y = 100, size = 80, score = 0.9): TrackerDetection {
  return { box: { x, y, width: size, height: size }, score };
}

const faint = (x: number, y?: number): TrackerDetection => face(x, y, 80, 0.4);

/** Plays frames at a fixed rate. */
function steps(tracker: ByteTracker, frames: readonly (readonly TrackerDetection[])[]): readonly TrackerStep[] {
  return frames.map((detections, index) => tracker.step(detections, index * FRAME_MS));
}

/** The same, and returns what each detection was assigned to. */
function play(tracker: ByteTracker, frames: readonly (readonly TrackerDetection[])[]): readonly (readonly TrackId[])[] {
  return steps(tracker, frames).map(({ assignments }) => assignments.map(({ trackId }) => trackId));
}

const times = (count: number, ...detections: TrackerDetection[]): readonly TrackerDetection[][] =>
  Array.from({ length: count }, () => detections);

describe('the tracker', () => {
  it('confirms a track after two consecutive hits and keeps its id', () => {
    const tracker = new ByteTracker();
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
    const tracker = new ByteTracker();
    const id = tracker.step([face(10)], 0).assignments[0]!.trackId;
    expect(tracker.step([], 100)).toEqual({
      assignments: [],
      opened: [],
      joined: [],
      undecided: [],
      closed: [],
      forgotten: [],
      dropped: [id],
    });
    expect(tracker.finish()).toEqual({ closed: [], dropped: [] });
  });

  it('closes a track only when it was unseen for longer than closeAfterMs of frame time', () => {
    const tracker = new ByteTracker({ closeAfterMs: 500 });
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    expect(tracker.step([], 600).closed).toEqual([]);
    expect(tracker.step([], 601).closed).toEqual([id]);
    expect(tracker.step([], 700).closed).toEqual([]);
  });

  it('can be told to close sooner while it runs', () => {
    const tracker = new ByteTracker({ closeAfterMs: 5000 });
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    tracker.closeAfterMs = 200;
    expect(tracker.step([], 400).closed).toEqual([id]);
  });

  it('gives a new track to whoever appears where somebody long gone was', () => {
    const tracker = new ByteTracker({ closeAfterMs: 500 });
    const [before] = play(tracker, [[face(10)], [face(10)]])[1]!;
    const step = tracker.step([face(10)], 5000);
    expect(step.closed).toEqual([before]);
    expect(step.assignments[0]!.trackId).not.toBe(before);
  });

  it('closes what is confirmed and drops what is not at the end of the stream', () => {
    const tracker = new ByteTracker();
    const [id] = play(tracker, [[face(10)], [face(10)]])[1]!;
    const young = tracker.step([face(10), face(400)], 200).assignments[1]!.trackId;
    expect(tracker.finish()).toEqual({ closed: [id], dropped: [young] });
  });
});

describe('the tracker before moving faces', () => {
  it('bridges missed detections of a moving face by its speed', () => {
    const ids = play(new ByteTracker(), [[face(0)], [face(25)], [face(50)], [], [], [face(125)], [face(150)]]).flat();
    expect(new Set(ids).size).toBe(1);
  });

  it('follows a face that never overlaps itself from frame to frame', () => {
    const ids = play(
      new ByteTracker(),
      Array.from({ length: 6 }, (_, i) => [face(i * 90)]),
    ).flat();
    expect(new Set(ids).size).toBe(1);
  });

  it('follows a face through frames that come when they come', () => {
    const tracker = new ByteTracker({ birthHits: 3 });
    const at = [0, 40, 90, 100, 300, 310, 650, 700, 1200, 1290];
    const ids = at.map((ms) => tracker.step([face(ms * 0.3)], ms).assignments[0]!.trackId);
    expect(new Set(ids).size).toBe(1);
  });

  it('keeps two people apart who cross each other at one height while one hides the other', () => {
    const frames = Array.from({ length: 21 }, (_, i) => {
      const [right, left] = [face(i * 20, 100, 80), face(400 - i * 20, 104, 70)];
      return Math.abs(right.box.x - left.box.x) < 50 ? [right] : [right, left];
    });
    const ids = play(new ByteTracker(), frames);
    expect(ids.filter((pair) => pair.length === 1).length).toBeGreaterThan(1);
    expect(ids.at(-1)).toEqual(ids[0]);
  });

  it('is not shaken by jitter', () => {
    const frames = Array.from({ length: 30 }, (_, i) => [face(100 + 7 * Math.sin(i * 9), 100 + 6 * Math.cos(i * 5))]);
    expect(new Set(play(new ByteTracker(), frames).flat()).size).toBe(1);
  });

  it('does not let who comes in take over the track of who walked out', () => {
    const frame = { width: 640, height: 480 };
    const out = [440, 480, 520, 560, 590].map((x) => [face(x)]);
    const into = [590, 560, 520, 480].map((x) => [face(x)]);
    const shown = [...out, [], [], ...into];
    const tracker = new ByteTracker();
    const ids = shown.flatMap((detections, index) =>
      tracker.step(detections, index * FRAME_MS, frame).assignments.map(({ trackId }) => trackId),
    );
    expect(new Set(ids.slice(0, 5)).size).toBe(1);
    expect(new Set(ids.slice(5)).size).toBe(1);
    expect(ids[4]).not.toBe(ids[5]);
  });

  it('does not take another’s face far away, or one of another size, for the one it lost', () => {
    const tracker = new ByteTracker({ closeAfterMs: 2000 });
    const [id] = play(tracker, times(5, face(100)))[4]!;
    const step = tracker.step([face(600), face(100, 100, 20)], 600);
    for (const { trackId } of step.assignments) expect(trackId).not.toBe(id);
  });
});

describe('the tracker’s second look', () => {
  const options: ByteTrackerOptions = { sureScore: 0.65 };

  it('continues a track by what the detector was unsure of', () => {
    const ids = play(new ByteTracker(options), [[face(10)], [face(20)], [faint(30)], [faint(40)], [face(50)]]);
    expect(new Set(ids.flat()).size).toBe(1);
    expect(ids.flat()).toHaveLength(5);
  });

  it('never begins, confirms or finds again by it', () => {
    const tracker = new ByteTracker(options);
    expect(play(tracker, times(10, faint(10))).flat()).toEqual([]);
    const young = tracker.step([face(300)], 1000).assignments[0]!.trackId;
    expect(tracker.step([faint(300)], 1100)).toMatchObject({ assignments: [], dropped: [young] });
    play(tracker, []);
    const lost = new ByteTracker(options);
    const shown = steps(lost, [[face(10)], [face(10)], [], [faint(10)], [face(10)]]);
    expect(shown.map(({ assignments }) => assignments.length)).toEqual([1, 1, 0, 0, 1]);
  });

  it('leaves a sure detection to its track when an unsure one is nearer', () => {
    const tracker = new ByteTracker(options);
    const [id] = play(tracker, times(3, face(100)))[2]!;
    expect(tracker.step([faint(100), face(112)], 300).assignments).toEqual([
      { trackId: id, detection: 1, confirmed: true },
    ]);
  });

  it('takes the detector’s threshold while it runs', () => {
    const tracker = new ByteTracker();
    expect(tracker.step([faint(10)], 0).assignments).toHaveLength(1);
    tracker.sureScore = 0.65;
    expect(tracker.step([faint(10)], 100).assignments).toEqual([]);
  });
});

describe('the tracker that knows what tracks look like', () => {
  const alike = (similarity: (lost: TrackId, found: TrackId) => number | undefined): ByteTrackerOptions => ({
    closeAfterMs: 3000,
    appearance: { similarity, threshold: 0.4 },
  });
  /** Seen, gone for a second, seen on the other side of the room. */
  const gap = [...times(4, face(50)), ...times(10), ...times(4, face(900))];

  it('lets a lost track go on as one that looks like it, under its first id', () => {
    const tracker = new ByteTracker(alike(() => 0.6));
    const shown = steps(tracker, gap);
    const first = shown[0]!.assignments[0]!.trackId;
    const from = shown[14]!.assignments[0]!.trackId;
    expect(from).not.toBe(first);
    expect(shown[15]).toMatchObject({
      opened: [],
      joined: [{ from, into: first }],
      assignments: [{ trackId: first, confirmed: true }],
    });
    expect(shown[17]!.assignments[0]!.trackId).toBe(first);
    expect(tracker.finish()).toEqual({ closed: [first], dropped: [] });
  });

  it('joins as soon as the likeness is known', () => {
    let known = false;
    const tracker = new ByteTracker(alike(() => (known ? 0.6 : undefined)));
    const shown = steps(tracker, gap);
    const [first, second] = [shown[0]!.assignments[0]!.trackId, shown[17]!.assignments[0]!.trackId];
    expect(shown.flatMap(({ joined }) => joined)).toEqual([]);
    expect(shown.map(({ undecided }) => undecided.length)).toEqual([...Array<number>(15).fill(0), 1, 1, 1]);
    expect(shown[17]!.undecided).toEqual([second]);
    known = true;
    expect(tracker.step([face(900)], 1800)).toMatchObject({ joined: [{ from: second, into: first }], undecided: [] });
  });

  it('joins nobody below the threshold, nor what is not a number', () => {
    for (const likeness of [0.39, Number.NaN, undefined]) {
      const shown = steps(new ByteTracker(alike(() => likeness)), gap);
      expect(shown.flatMap(({ joined }) => joined)).toEqual([]);
    }
  });

  it('never joins two that were seen in one frame, or in turns', () => {
    const tracker = new ByteTracker(alike(() => 1));
    const both = times(4, face(50), face(900));
    const inTurns = [[face(50)], [face(900)], [face(50)], [face(900)], [face(900)]];
    const shown = steps(tracker, [...both, ...inTurns]);
    expect(shown.flatMap(({ joined }) => joined)).toEqual([]);
    expect(tracker.finish().closed).toHaveLength(2);
  });

  it('gives two lost tracks the partners that look most like them', () => {
    const likeness: Readonly<Record<string, number>> = { '1/3': 0.5, '1/4': 0.7, '2/3': 0.8, '2/4': 0.75 };
    const tracker = new ByteTracker(alike((lost, found) => likeness[`${lost}/${found}`]));
    const shown = steps(tracker, [
      ...times(3, face(50), face(300)),
      ...times(8),
      ...times(3, face(700, 400), face(950, 400)),
    ]);
    expect(shown.flatMap(({ joined }) => joined)).toEqual([
      { from: 4, into: 1 },
      { from: 3, into: 2 },
    ]);
  });
});

describe('the tracker, when somebody whose track has closed comes back', () => {
  /** Seen, away for so many frames, and somewhere else. */
  const backAfter = (frames: number) => [...times(3, face(10)), ...times(frames), ...times(3, face(600))];
  const likes = (similarity: number | undefined) => ({ similarity: () => similarity, threshold: 0.4 });

  it('goes on with the closed track by appearance, within the cooldown', () => {
    const tracker = new ByteTracker({ closeAfterMs: 500, cooldownMs: 1000, appearance: likes(0.7) });
    const played = steps(tracker, backAfter(10));
    expect(played.flatMap(({ closed }) => closed)).toEqual([1]);
    expect(played.flatMap(({ joined }) => joined)).toEqual([{ from: 2, into: 1 }]);
    expect(played.at(-1)?.assignments).toMatchObject([{ trackId: 1, confirmed: true }]);
    expect(played.flatMap(({ forgotten }) => forgotten)).toEqual([]);
    expect(tracker.finish().closed).toEqual([1]);
  });

  it.each([
    ['looks like somebody else', 0.2, 1000],
    ['cannot be compared', undefined, 1000],
    ['comes after the cooldown', 0.7, 300],
  ])('begins another track for who %s', (_, similarity, cooldownMs) => {
    const tracker = new ByteTracker({ closeAfterMs: 500, cooldownMs, appearance: likes(similarity) });
    const played = steps(tracker, backAfter(10));
    expect(played.flatMap(({ joined }) => joined)).toEqual([]);
    expect(played.at(-1)?.assignments).toMatchObject([{ trackId: 2 }]);
    expect(played.flatMap(({ undecided }) => undecided).length > 0).toBe(similarity === undefined);
  });

  it('says once when nothing can be joined into a closed track any more', () => {
    const tracker = new ByteTracker({ closeAfterMs: 500, cooldownMs: 1000, appearance: likes(0.7) });
    const played = steps(tracker, [...times(3, face(10)), ...times(30)]);
    expect(played.flatMap(({ closed }) => closed)).toEqual([1]);
    expect(played.flatMap(({ forgotten }, index) => forgotten.map((id) => [index, id]))).toEqual([[18, 1]]);
    // Without appearance there is nothing to wait for.
    const plain = steps(new ByteTracker({ closeAfterMs: 500, cooldownMs: 1000 }), [...times(3, face(10)), ...times(9)]);
    expect(plain.map(({ forgotten }) => forgotten)).toEqual(plain.map(({ closed }) => closed));
  });

  it('never lets one closed track go on as both of two who are in one frame', () => {
    const tracker = new ByteTracker({ closeAfterMs: 500, cooldownMs: 5000, appearance: likes(0.9) });
    const played = steps(tracker, [...times(3, face(10)), ...times(10), ...times(4, face(300), face(600))]);
    expect(played.flatMap(({ joined }) => joined)).toHaveLength(1);
    expect(new Set(played.at(-1)?.assignments.map(({ trackId }) => trackId)).size).toBe(2);
  });

  it('joins a look that was too short to tell by, when it is known whom it showed', () => {
    let known = false;
    const appearance = { similarity: () => (known ? 0.7 : undefined), threshold: 0.4 };
    const tracker = new ByteTracker({ closeAfterMs: 1000, cooldownMs: 1000, appearance });
    steps(tracker, [...times(3, face(10)), ...times(3), ...times(2, face(600))]);
    known = true;
    expect(tracker.step([], 900).joined).toEqual([{ from: 2, into: 1 }]);
  });
});
