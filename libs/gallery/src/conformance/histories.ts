import fc from 'fast-check';
import { expect, it } from 'vitest';

import type { GalleryEntry, GalleryFilter } from '../gallery.js';
import { bruteForce } from './brute-force.js';
import { dimension, expectSame, searchOne, type Opened } from './expectations.js';
import { crowd, entry, near, randomVector, seededRandom, template, templateId } from './samples.js';

const templates = 12;
const sites = ['north', 'south'];
const groups = ['staff', 'wanted'];
/** So few, and some so close, that ties and replacements are frequent. */
const faces = ((): Float32Array[] => {
  const random = seededRandom(31);
  const [one, other] = [randomVector(random, dimension), randomVector(random, dimension)];
  return [one, one, near(random, one, 0.002), other, near(random, other, 0.5)];
})();

const number = fc.nat(templates - 1);
const enrolled = fc
  .record({
    number,
    person: fc.nat(5),
    face: fc.nat(faces.length - 1),
    codec: fc.constantFrom('int8' as const, 'float16' as const),
    sites: fc.subarray(sites),
    groups: fc.subarray(groups),
  })
  .map(({ number: id, person, face, codec, ...attributes }) =>
    entry(id, person, template(faces[face] ?? new Float32Array(dimension).fill(1), { codec }), attributes),
  );
const filter = fc.record({ site: fc.constantFrom(...sites), groups: fc.subarray(groups) }, { requiredKeys: [] });
const step = fc.oneof(
  fc.record({ upsert: fc.array(enrolled, { minLength: 1, maxLength: 8 }) }),
  fc.record({ remove: fc.array(number, { minLength: 1, maxLength: 6 }) }),
  fc.record({ face: fc.nat(faces.length - 1), limit: fc.integer({ min: 1, max: 8 }), filter }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** What a gallery holds after any changes, across a restart, and while it changes. */
export function histories(opened: Opened, reopen: () => Promise<void>): void {
  it('answers as brute force does after any history of changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const held = new Map<string, GalleryEntry>();
        for (const each of steps) await take(opened, held, each);
        expect((await opened().partitions()).map((size) => size.templates)).toEqual(held.size ? [held.size] : []);
        await opened().remove(Array.from({ length: templates }, (_, id) => templateId(id)));
      }),
      { numRuns: 12 },
    );
  });

  it('is as it should be once its feed was applied again after a restart, whatever it has kept', async () => {
    const random = seededRandom(32);
    const { faces: people, entries } = crowd(random, { people: 40, templatesEach: 2, dimension, spread: 0.5 });
    await opened().upsert(entries);
    await reopen();
    const left = entries.slice(10);
    await opened().remove(entries.slice(0, 10).map((gone) => gone.templateId));
    await opened().upsert(left);
    for (const face of people.slice(0, 8)) {
      const probe = template(near(random, face, 0.5));
      expectSame(await searchOne(opened(), probe, 3), bruteForce(left, probe, 3));
    }
    expect(await opened().partitions()).toMatchObject([{ templates: left.length }]);
  });

  it('never shows half of a change to a search that is under way', async () => {
    const random = seededRandom(33);
    const { entries: others } = crowd(random, { people: 30, templatesEach: 1, dimension, spread: 0.5 });
    const [before, after] = [randomVector(random, dimension), randomVector(random, dimension)].map((face) =>
      entry(500, 500, template(face)),
    );
    if (!before || !after) throw new Error('there are two');
    await opened().upsert([...others, before]);
    const probe = template(near(random, randomVector(random, dimension), 0.5));
    const expected = [before, after].map((form) => bruteForce([form], probe, 1)[0]?.score ?? NaN);
    const searches = Array.from({ length: 20 }, async (_, round) => {
      await opened().upsert([round % 2 ? before : after]);
      const found = await searchOne(opened(), probe, 100);
      const score = found.find(({ templateId: id }) => id === before.templateId)?.score ?? NaN;
      expect(Math.min(...expected.map((one) => Math.abs(one - score)))).toBeLessThan(1e-5);
      expect(found).toHaveLength(31);
    });
    await Promise.all(searches);
  });
}

async function take(opened: Opened, held: Map<string, GalleryEntry>, each: Step): Promise<void> {
  if ('upsert' in each) {
    await opened().upsert(each.upsert);
    for (const one of each.upsert) held.set(one.templateId, one);
  } else if ('remove' in each) {
    const ids = each.remove.map(templateId);
    await opened().remove(ids);
    for (const id of ids) held.delete(id);
  } else {
    const probe = template(faces[each.face] ?? new Float32Array(dimension).fill(1));
    const wanted: GalleryFilter = each.filter;
    const [found] = await opened().search([probe], { limit: each.limit, filter: wanted });
    expectSame(found, bruteForce([...held.values()], probe, each.limit, wanted));
  }
}
