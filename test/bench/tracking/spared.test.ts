import { ByteTracker } from '@sightline/vision';
import { describe, expect, it } from 'vitest';

import { film } from './film.js';
import { countSightings, play, type TrackerKind } from './play.js';
import { Random } from './random.js';
import { sceneKinds } from './scenes.js';
import { SparedFilm } from './spared.js';

const FILMS = 2;
const CLOSE_AFTER_MS = 1000;

const ours: TrackerKind = {
  key: 'ours',
  title: 'as the agent runs it',
  takesFaint: true,
  create: ({ similarity, ...setting }) =>
    new ByteTracker({ ...setting, cooldownMs: 5000, appearance: { similarity, threshold: 0.41 } }),
};

describe('frames that are not searched', () => {
  it('cost no sighting, whatever happens before the camera', () => {
    const sums = { frames: 0, searched: 0, missed: 0, missedSpared: 0, sightings: 0, sightingsSpared: 0 };
    for (const { draw } of sceneKinds) {
      for (let number = 1; number <= FILMS; number += 1) {
        const random = new Random(Math.imul(number, 0x9e3779b1));
        const shown = film(draw(random), random);
        const all = countSightings(play(shown, ours, CLOSE_AFTER_MS, number));
        const spared = new SparedFilm(CLOSE_AFTER_MS);
        const some = countSightings(play(shown, ours, CLOSE_AFTER_MS, number, spared));
        sums.frames += shown.length;
        sums.searched += spared.searched;
        sums.missed += all.passesMissed;
        sums.missedSpared += some.passesMissed;
        sums.sightings += all.sightings;
        sums.sightingsSpared += some.sightings;
      }
    }
    expect(sums.missedSpared).toBeLessThanOrEqual(sums.missed);
    // Nor does it make two of one.
    expect(Math.abs(sums.sightingsSpared - sums.sightings)).toBeLessThanOrEqual(0.01 * sums.sightings);
    expect(sums.searched).toBeLessThan(0.9 * sums.frames);
  });
});
