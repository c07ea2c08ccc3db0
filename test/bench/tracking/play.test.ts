import { ByteTracker } from '@sightline/vision';
import { describe, expect, it } from 'vitest';

import { film } from './film.js';
import { countTracking, idf1, mota, type Labelled, type ScoredFrame } from './metrics.js';
import { countSightings, play, type TrackerKind } from './play.js';
import { Random } from './random.js';
import { sceneKinds } from './scenes.js';

const at = (id: number, x: number): Labelled => ({ id, box: { x, y: 0, width: 100, height: 100 } });
const times = (count: number, frame: ScoredFrame): ScoredFrame[] => Array.from({ length: count }, () => frame);

const ours: TrackerKind = {
  key: 'ours',
  title: 'ours',
  takesFaint: true,
  create: ({ closeAfterMs, birthHits, sureScore }) => new ByteTracker({ closeAfterMs, birthHits, sureScore }),
};

describe('what is made of people', () => {
  it('counts each pass’s sightings, and who was seen for too short a time for none', () => {
    const frames = [
      ...times(12, { truth: [at(1, 0), at(2, 500)], output: [at(10, 0)] }),
      ...times(12, { truth: [at(1, 0)], output: [at(11, 0)] }),
      ...times(5, { truth: [at(3, 0)], output: [at(12, 0)] }),
    ];
    expect(countSightings(frames)).toEqual({
      passes: 2,
      sightings: 2,
      passesWithOne: 0,
      passesMissed: 1,
      mixed: 0,
      ghosts: 0,
    });
  });

  it('tells sightings of two people and of nobody', () => {
    const frames = [
      ...times(12, { truth: [at(1, 0)], output: [at(10, 0), at(20, 900)] }),
      ...times(12, { truth: [at(2, 0)], output: [at(10, 0)] }),
    ];
    expect(countSightings(frames)).toMatchObject({ passes: 2, sightings: 1, passesMissed: 1, mixed: 1, ghosts: 1 });
  });
});

describe('the films', () => {
  it('are the same for the same seed, and show people', () => {
    for (const { draw } of sceneKinds) {
      const [one, again] = [new Random(5), new Random(5)].map((random) => film(draw(random), random));
      expect(again).toEqual(one);
      expect(one!.flatMap(({ truth }) => truth).length).toBeGreaterThan(50);
      const streamMs = one!.map((shown) => shown.streamMs);
      expect(streamMs).toEqual([...streamMs].sort((before, after) => before - after));
    }
  });

  it('are followed by our tracker: a guard well below what the benchmark measures', () => {
    for (const { name, draw } of sceneKinds) {
      const random = new Random(77);
      const counts = countTracking(play(film(draw(random), random), ours, 4000, 77));
      expect(mota(counts), name).toBeGreaterThan(0.8);
      expect(idf1(counts), name).toBeGreaterThan(0.6);
    }
  });
});
