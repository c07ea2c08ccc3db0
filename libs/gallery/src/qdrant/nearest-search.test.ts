import type { PersonId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { bruteForce } from '../conformance/brute-force.js';
import { entry, near, randomVector, seededRandom, template } from '../conformance/samples.js';
import type { GalleryEntry } from '../gallery.js';
import { nearestInCollection, scoreError, type CollectionReader } from './nearest-search.js';
import { pointOf } from './points.js';

type Query = Parameters<CollectionReader['query']>[0][number];

/** A collection whose scores are wrong by up to what Qdrant's may be, and that gives no more hits than it is asked for. */
function erringReader(entries: readonly GalleryEntry[], error: (score: number) => number) {
  let scrolled = 0;
  const passing = ({ filter }: Pick<Query, 'filter'>): readonly GalleryEntry[] => {
    const without = new Set(withoutOf(filter));
    return entries.filter(({ personId }) => !without.has(personId));
  };
  const answer = (query: Query) => {
    const probe = query.query as readonly number[];
    const scored = passing(query).map((each) => {
      const { id, payload, vector } = pointOf(each);
      return { id, payload: payload ?? null, version: 1, score: error(cosineOf(probe, vector as readonly number[])) };
    });
    return { points: scored.sort((a, b) => b.score - a.score).slice(0, query.limit ?? 10) };
  };
  const reader: CollectionReader = {
    query: async (searches) => searches.map(answer),
    scroll: async ({ filter, offset, limit }) => {
      scrolled += 1;
      const found = passing({ filter: filter ?? null }).map((each) => pointOf(each));
      const from = found.findIndex(({ id }) => offset === undefined || id === offset);
      const page = found.slice(from, from + (limit ?? 10));
      const next = found[from + page.length];
      return {
        points: page.map(({ id, payload }) => ({ id, payload: payload ?? null })),
        next_page_offset: next?.id ?? null,
      };
    },
  };
  return { reader, scrolled: () => scrolled };
}

function withoutOf(filter: Query['filter']): readonly PersonId[] {
  const { must_not: mustNot } = (filter ?? {}) as { must_not?: readonly { match: { any: readonly PersonId[] } }[] };
  return mustNot?.[0]?.match.any ?? [];
}

function cosineOf(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, each, at) => sum + each * (y[at] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('nearestInCollection', () => {
  it('equals brute force whatever Qdrant’s arithmetic makes of the order, and however few hits a query may give', async () => {
    const scene = fc.record({
      seed: fc.nat(),
      dimension: fc.integer({ min: 2, max: 24 }),
      templates: fc.integer({ min: 1, max: 120 }),
      people: fc.integer({ min: 1, max: 40 }),
      limit: fc.integer({ min: 1, max: 8 }),
      largest: fc.integer({ min: 1, max: 60 }),
      // From bit-equal neighbours over such that float32 cannot tell apart to strangers.
      spread: fc.constantFrom(0, 1e-7, 1e-5, 1e-3, 0.3, 10),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ seed, dimension, templates, people, limit, largest, spread }) => {
        const random = seededRandom(seed);
        const face = randomVector(random, dimension);
        const shot = () => template(near(random, face, spread), { codec: random() < 0.5 ? 'int8' : 'float16' });
        const entries = Array.from({ length: templates }, (_, number) =>
          entry(number, Math.floor(random() * people), shot()),
        );
        const probes = [shot(), shot()];
        const { reader } = erringReader(entries, (score) => score + (2 * random() - 1) * scoreError(dimension));
        const found = await nearestInCollection(reader, probes, { limit, largest, kind: 'exact' });
        expect(found).toEqual(probes.map((probe) => bruteForce(entries, probe, limit)));
      }),
      { numRuns: 120 },
    );
  });

  it('leaves out people whose best template is certain, rather than read everything', async () => {
    const random = seededRandom(3);
    const [one, other] = [randomVector(random, 32), randomVector(random, 32)];
    const entries = [
      ...Array.from({ length: 50 }, (_, number) => entry(number, 1, template(near(random, one, 0.1 + number / 100)))),
      entry(50, 2, template(other)),
    ];
    const { reader, scrolled } = erringReader(entries, (score) => score);
    const found = await nearestInCollection(reader, [template(one)], { limit: 2, largest: 10, kind: 'exact' });
    expect(found).toEqual([bruteForce(entries, template(one), 2)]);
    expect(scrolled()).toBe(0);
  });

  it('reads all of a partition whose templates no query can tell apart', async () => {
    const same = template(randomVector(seededRandom(4), 16));
    const entries = Array.from({ length: 600 }, (_, number) => entry(number, 600 - number, same));
    const { reader, scrolled } = erringReader(entries, (score) => score);
    const found = await nearestInCollection(reader, [same], { limit: 3, largest: 20, kind: 'exact' });
    expect(found).toEqual([bruteForce(entries, same, 3)]);
    expect(scrolled()).toBe(3);
  });

  it('says that a collection is not there', async () => {
    const probe = template(randomVector(seededRandom(5), 8));
    const gone: CollectionReader = { query: async () => undefined, scroll: async () => undefined };
    expect(await nearestInCollection(gone, [probe], { limit: 1, kind: 'exact' })).toBeUndefined();
  });
});
