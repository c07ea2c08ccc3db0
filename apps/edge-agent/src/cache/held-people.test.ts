import type { PersonId } from '@sightline/kernel';
import { byScoreThenPerson, cosine } from '@sightline/matching';
import { decodeTemplate } from '@sightline/template-protection';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { belonging, cachedPerson, faceTemplate, personId } from '../testing/cache-fixtures.js';
import { HeldPeople } from './held-people.js';

describe('held people', () => {
  it('are searched as brute force would, whoever came, was replaced and went before', () => {
    const change = fc.record({
      person: fc.nat({ max: 12 }),
      shots: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 4 }),
      goes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.nat({ max: 12 }), (changes, looksLike) => {
        const people = new HeldPeople(belonging);
        const expected = new Map<PersonId, readonly Float32Array[]>();
        for (const { person, shots, goes } of changes) {
          if (goes) {
            people.remove(personId(person));
            expected.delete(personId(person));
          } else {
            people.put(cachedPerson(person, { shots }));
            const vectors = shots.map((shot) => decodeTemplate(faceTemplate(person, shot)));
            expected.set(personId(person), vectors);
          }
        }
        const probe = decodeTemplate(faceTemplate(looksLike, 60));
        const scored = [...expected].map(([id, vectors]) => ({
          personId: id,
          score: Math.max(...vectors.map((vector) => cosine(probe, vector))),
        }));
        const [best] = scored.sort(byScoreThenPerson);
        expect(people.nearest(probe)).toEqual(best);
        const close = scored.filter(({ score }) => score > (best?.score ?? 1) - 0.3);
        expect(people.near(probe, 0.3).slice(0, close.length)).toEqual(close);
        expect(people.people).toBe(expected.size);
        expect(people.templates).toBe([...expected.values()].flat().length);
      }),
      { numRuns: 60 },
    );
  });

  it('know groups, and how many templates somebody has', () => {
    const people = new HeldPeople(belonging);
    people.put(cachedPerson(1, { shots: [1, 2, 3], groups: ['staff', 'night'] }));
    expect(people.groupsOf(personId(1))).toEqual(['staff', 'night']);
    expect(people.templatesOf(personId(1))).toBe(3);
    expect(people.groupsOf(personId(2))).toEqual([]);
    people.clear();
    expect(people.has(personId(1))).toBe(false);
    expect(people.nearest(decodeTemplate(faceTemplate(1)))).toBeUndefined();
  });
});
