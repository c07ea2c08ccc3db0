import type { PersonId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { passOf, scoreSightings, type ScoredSighting } from './scoring.js';
import { passesOf, type Pass } from './truth.js';

const passes: readonly Pass[] = [
  { passId: 'a', personId: 'ada' as PersonId, startMs: 0, endMs: 100, complete: true },
  { passId: 'b', personId: null, startMs: 200, endMs: 300, complete: true },
  { passId: 'c', personId: 'cleo' as PersonId, startMs: 400, endMs: 500, complete: true },
];

function sighting(id: string, from: number, to: number, personId: string | null = null): ScoredSighting {
  return { id, firstSeenMs: from, lastSeenMs: to, outcome: personId ? 'identified' : 'unknown', personId };
}

describe('the demo’s score', () => {
  it('gives a sighting to the pass that it overlaps most', () => {
    expect(passOf(sighting('1', 90, 260), passes)?.passId).toBe('b');
    expect(passOf(sighting('1', 100, 100), passes)?.passId).toBe('a');
    expect(passOf(sighting('1', 120, 180), passes)).toBeUndefined();
  });

  it('counts a perfect run', () => {
    const all = [sighting('1', 10, 90, 'ada'), sighting('2', 210, 290), sighting('3', 410, 490, 'cleo')];
    expect(scoreSightings(passes, all)).toEqual({
      passes: 3,
      sightings: 3,
      ofEnrolled: 2,
      identified: 2,
      misidentified: 0,
      ofUnknown: 1,
      unknownAsSomeone: 0,
      lost: 0,
      duplicates: 0,
    });
  });

  it('tells every kind of mistake', () => {
    const all = [
      sighting('1', 10, 40, 'cleo'),
      sighting('2', 50, 90, 'ada'),
      sighting('3', 210, 290, 'ada'),
      sighting('4', 900, 950),
    ];
    expect(scoreSightings(passes, all)).toMatchObject({
      ofEnrolled: 2,
      identified: 1,
      misidentified: 1,
      ofUnknown: 1,
      unknownAsSomeone: 1,
      lost: 1,
      duplicates: 2,
    });
  });
});

describe('the camera’s journal', () => {
  const event = (kind: 'started' | 'ended', passId: string, wallMs: number) =>
    ({ event: kind, cameraId: 'entrance', passId, label: passId, wallMs }) as const;

  it('tells passes that were cut short, and repeated ones apart', () => {
    const events = [
      event('started', 'a', 0),
      event('ended', 'a', 10),
      event('started', 'b', 20),
      event('started', 'a', 50),
      event('ended', 'a', 60),
    ];
    expect(passesOf(events, new Map([['a', 'ada' as PersonId]]))).toEqual([
      { passId: 'a/1', personId: 'ada', startMs: 0, endMs: 10, complete: true },
      { passId: 'b/1', personId: null, startMs: 20, endMs: 50, complete: false },
      { passId: 'a/2', personId: 'ada', startMs: 50, endMs: 60, complete: true },
    ]);
  });
});
