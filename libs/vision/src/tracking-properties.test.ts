import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteTracker } from './tracking-byte.js';
import type { TrackerDetection, TrackerStep, TrackId } from './tracking.js';

const side = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -50, max: 640 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, 1e-300, 1e7, 1e300, -1e300) },
);
const score = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0.9, 0.7, 0.4) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);
/** Faces that stay where they are, so that tracks are confirmed, lost and found; among them anything at all. */
const detections = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -4, max: 4 }), score)
      .map(([place, off, sure]) => ({
        box: { x: 20 + place * 120 + off, y: 200 - off, width: 60, height: 70 },
        score: sure,
      })),
  },
  { weight: 1, arbitrary: fc.record({ box: fc.record({ x: side, y: side, width: side, height: side }), score }) },
);
const frames = fc.record({
  // Back, standing still, on; and from a clock that broke.
  afterMs: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: -300, max: 700 }) },
    { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e15, 1e300) },
  ),
  detections: fc.array(detections, { maxLength: 6 }),
});
const streams = fc.array(frames, { maxLength: 25, size: 'max' });
type Stream = readonly { readonly afterMs: number; readonly detections: readonly TrackerDetection[] }[];

function trackerWith(likeness: number): ByteTracker {
  return new ByteTracker({
    sureScore: 0.5,
    closeAfterMs: 1200,
    cooldownMs: 3000,
    appearance: { similarity: (lost, found) => Math.sin(lost * 7 + found * 13) * likeness, threshold: 0.3 },
  });
}

function playAll(stream: Stream, tracker = trackerWith(1)): readonly TrackerStep[] {
  let atMs = 0;
  return stream.map((frame) => {
    const next = atMs + frame.afterMs;
    if (Number.isFinite(next)) atMs = next;
    return tracker.step(frame.detections, next, { width: 640, height: 480 });
  });
}

describe('the tracker, whatever it sees', () => {
  it('gives a detection at most one track and a track at most one detection a frame', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        for (const [index, { assignments }] of playAll(stream).entries()) {
          const used = assignments.map(({ detection }) => detection);
          expect(used).toEqual([...new Set(used)].sort((one, other) => one - other));
          expect(new Set(assignments.map(({ trackId }) => trackId)).size).toBe(assignments.length);
          for (const detection of used) expect(stream[index]!.detections[detection]).toBeDefined();
        }
      }),
    );
  });

  it('assigns every sure detection that has a box, and none that has not', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        for (const [index, { assignments }] of playAll(stream).entries()) {
          const assigned = new Set(assignments.map(({ detection }) => detection));
          for (const [detection, { box, score }] of stream[index]!.detections.entries()) {
            const { x, y, width, height } = box;
            const isSound = [x, y, width, height].every((value) => Math.abs(value) <= 1e7) && width > 0 && height > 0;
            if (isSound && score >= 0.5) expect(assigned.has(detection)).toBe(true);
            if (!isSound || Number.isNaN(score)) expect(assigned.has(detection)).toBe(false);
          }
        }
      }),
    );
  });

  it('opens each track at most once, ends each exactly once, unless it goes on, and never speaks of it again', () => {
    fc.assert(
      fc.property(streams, (stream) => {
        const tracker = trackerWith(1);
        const [seen, opened, ended] = [new Set<TrackId>(), new Set<TrackId>(), new Set<TrackId>()];
        const forgotten = new Set<TrackId>();
        const end = (id: TrackId): void => {
          expect(ended.has(id)).toBe(false);
          expect(forgotten.has(id)).toBe(false);
          ended.add(id);
        };
        for (const step of playAll(stream, tracker)) {
          step.closed.forEach(end);
          for (const { from, into } of step.joined) {
            // One that was confirmed in this very frame was never spoken of.
            expect(opened.has(into)).toBe(true);
            expect(forgotten.has(into)).toBe(false);
            // One that had closed goes on.
            ended.delete(into);
            end(from);
          }
          for (const { trackId } of step.assignments) {
            expect(ended.has(trackId)).toBe(false);
            seen.add(trackId);
          }
          for (const id of step.opened) {
            expect(opened.has(id)).toBe(false);
            opened.add(id);
          }
          for (const id of step.closed) expect(opened.has(id)).toBe(true);
          step.dropped.forEach(end);
          for (const id of step.forgotten) {
            expect(ended.has(id)).toBe(true);
            forgotten.add(id);
          }
        }
        const rest = tracker.finish();
        [...rest.closed, ...rest.dropped].forEach(end);
        expect([...seen].every((id) => ended.has(id))).toBe(true);
        expect(Math.max(0, ...seen)).toBeLessThanOrEqual(stream.flatMap(({ detections: found }) => found).length);
      }),
    );
  });

  it('never joins two tracks that one frame showed, however alike they look', () => {
    let joins = 0;
    fc.assert(
      fc.property(streams, fc.double({ min: 0.3, max: 2, noNaN: true }), (stream, likeness) => {
        /** The tracks that each track stands for by now, itself among them. */
        const together = new Map<TrackId, Set<TrackId>>();
        for (const step of playAll(stream, trackerWith(likeness))) {
          for (const { from, into } of step.joined) {
            joins += 1;
            expect(together.get(from)?.has(into) ?? false).toBe(false);
            for (const id of together.get(from) ?? []) {
              together.set(into, (together.get(into) ?? new Set()).add(id));
              together.set(id, (together.get(id) ?? new Set()).add(into));
            }
          }
          const shown = step.assignments.map(({ trackId }) => trackId);
          for (const id of shown) {
            const others = shown.filter((other) => other !== id);
            together.set(id, new Set([...(together.get(id) ?? []), ...others]));
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(joins).toBeGreaterThan(10);
  });

  it('does not care for the order of the detections', () => {
    const cases = streams.chain((stream) =>
      fc.tuple(
        fc.constant(stream),
        fc.tuple(
          ...stream.map(({ detections: found }) =>
            fc.shuffledSubarray(found, { minLength: found.length, maxLength: found.length }),
          ),
        ),
      ),
    );
    fc.assert(
      fc.property(cases, ([stream, shuffled]) => {
        const other = stream.map(({ afterMs }, index) => ({ afterMs, detections: shuffled[index]! }));
        const told = (played: Stream): unknown =>
          playAll(played).map((step, index) => ({
            ...step,
            assignments: step.assignments
              .map(({ trackId, detection, confirmed }) =>
                JSON.stringify([trackId, confirmed, played[index]!.detections[detection]]),
              )
              .sort(),
          }));
        expect(told(other)).toEqual(told(stream));
      }),
    );
  });
});
