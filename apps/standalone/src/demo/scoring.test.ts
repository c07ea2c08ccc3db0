import { describe, expect, it } from 'vitest';

import { passOf, scoreSightings, type Pass, type ScoredSighting } from './scoring.js';

const passes: readonly Pass[] = [
  { passId: 'a', personId: 'ada', startMs: 0, endMs: 100 },
  { passId: 'b', personId: null, startMs: 200, endMs: 300 },
  { passId: 'c', personId: 'cleo', startMs: 400, endMs: 500 },
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
