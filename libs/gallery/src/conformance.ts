import type { KeyId, SpaceId } from '@sightline/kernel';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { bruteForce } from './conformance/brute-force.js';
import { dimension, expectSame, searchOne, type Opened } from './conformance/expectations.js';
import { histories } from './conformance/histories.js';
import { narrowing } from './conformance/narrowing.js';
import {
  crowd,
  entry,
  near,
  personId,
  randomVector,
  seededRandom,
  template,
  templateId,
} from './conformance/samples.js';
import type { Gallery, GalleryEntry } from './gallery.js';

const inOtherSpace = { spaceId: 'space-two' as SpaceId };
const withOtherKey = { keyId: 'key-two' as KeyId };

/**
 * The tests that every implementation of {@link Gallery} passes: call it inside a test file.
 *
 * @param open opens a gallery, which the suite closes: an empty one for a new name; for a name that was open before,
 *   the same one again, as another process of the same program would
 */
export function galleryConformance(open: (name: string) => Promise<Gallery>): void {
  describe('a gallery', () => {
    let gallery: Gallery;
    const reopen = async (): Promise<void> => {
      await gallery.close();
      gallery = await open(name);
    };
    let name = '';
    beforeEach(async () => {
      name = randomUUID();
      gallery = await open(name);
    });
    afterEach(() => gallery.close());
    const opened: Opened = () => gallery;
    exactness(opened);
    ties(opened);
    changes(opened);
    partitions(opened);
    narrowing(opened);
    refusals(opened);
    concurrency(opened);
    histories(opened, reopen);
  });
}

function exactness(opened: Opened): void {
  const random = seededRandom(1);

  it('finds the same people as brute force, for known faces and strangers', async () => {
    const { faces, entries } = crowd(random, { people: 150, templatesEach: 3, dimension, spread: 0.6 });
    await opened().upsert(entries);
    const strangers = Array.from({ length: 10 }, () => randomVector(random, dimension));
    const shots = faces.slice(0, 30).map((face) => near(random, face, 0.6));
    const probes = [...shots, ...strangers].map((vector, index) =>
      template(vector, { codec: index % 2 ? 'int8' : 'float16' }),
    );
    for (const limit of [1, 5, 150, 1000]) {
      const found = await opened().search(probes, { limit });
      expect(found).toHaveLength(probes.length);
      probes.forEach((probe, index) => expectSame(found[index], bruteForce(entries, probe, limit)));
    }
  });

  it('tells apart templates that differ by less than the step of an int8 code', async () => {
    const face = randomVector(random, dimension);
    const entries = Array.from({ length: 300 }, (_, number) =>
      entry(number, number, template(near(random, face, 0.003), { codec: 'float16' })),
    );
    await opened().upsert(entries);
    for (let shot = 0; shot < 10; shot += 1) {
      const probe = template(near(random, face, 0.003), { codec: 'float16' });
      expectSame(await searchOne(opened(), probe, 3), bruteForce(entries, probe, 3));
    }
  });

  it('counts people, not templates: one person with many templates takes one place', async () => {
    const face = randomVector(random, dimension);
    const crowded = Array.from({ length: 200 }, (_, number) => entry(number, 0, template(near(random, face, 0.2))));
    const { entries: others } = crowd(random, { people: 5, templatesEach: 1, dimension, spread: 0.5 });
    const shifted = others.map((other, index) => entry(1000 + index, 1 + index, other.template));
    await opened().upsert([...crowded, ...shifted]);
    const probe = template(face);
    const found = await searchOne(opened(), probe, 4);
    expect(new Set(found.map((candidate) => candidate.personId)).size).toBe(4);
    expectSame(found, bruteForce([...crowded, ...shifted], probe, 4));
  });
}

function ties(opened: Opened): void {
  it('gives a tie to the smaller person id, also at the limit', async () => {
    const same = template(randomVector(seededRandom(2), dimension));
    await opened().upsert([7, 3, 9, 1, 5].map((person) => entry(100 - person, person, same)));
    const found = await searchOne(opened(), same, 3);
    expect(found.map((candidate) => candidate.personId)).toEqual([1, 3, 5].map(personId));
  });

  it('names the smaller template id when a person has two equal ones', async () => {
    const same = template(randomVector(seededRandom(3), dimension));
    await opened().upsert([6, 2, 4].map((number) => entry(number, 1, same)));
    expect(await searchOne(opened(), same)).toMatchObject([{ templateId: templateId(2) }]);
  });
}

function changes(opened: Opened): void {
  const random = seededRandom(4);

  it('replaces by template id: the old form and the old person are gone', async () => {
    const [before, after] = [randomVector(random, dimension), randomVector(random, dimension)];
    await opened().upsert([entry(1, 1, template(before))]);
    await opened().upsert([entry(1, 2, template(after))]);
    const found = await searchOne(opened(), template(before));
    expectSame(found, bruteForce([entry(1, 2, template(after))], template(before), 10));
    expect(await opened().partitions()).toMatchObject([{ templates: 1 }]);
  });

  it('takes the last of several entries of one call for the same template', async () => {
    const vectors = [1, 2, 3].map(() => template(randomVector(random, dimension)));
    await opened().upsert(vectors.map((stored, index) => entry(1, index, stored)));
    expect((await searchOne(opened(), template(randomVector(random, dimension)))).map((c) => c.personId)).toEqual([
      personId(2),
    ]);
  });

  it('stays exact while templates are added, replaced and removed in any order', async () => {
    const held = new Map<number, GalleryEntry>();
    for (let round = 0; round < 12; round += 1) {
      const touched = Array.from({ length: 40 }, () => Math.floor(random() * 300));
      const removed = touched.slice(0, 15);
      const added = touched.slice(15).map((number) => {
        const stored = template(randomVector(random, dimension), { codec: random() < 0.5 ? 'int8' : 'float16' });
        return entry(number, number % 50, stored);
      });
      await opened().remove(removed.map(templateId));
      await opened().upsert(added);
      for (const number of removed) held.delete(number);
      touched.slice(15).forEach((number, index) => {
        const latest = added[index];
        if (latest) held.set(number, latest);
      });
      const probe = template(randomVector(random, dimension));
      expectSame(await searchOne(opened(), probe, 8), bruteForce([...held.values()], probe, 8));
      expect(await opened().partitions()).toMatchObject([{ templates: held.size }]);
    }
  });

  it('is idempotent, and ignores the removal of what it does not hold', async () => {
    const stored = [entry(1, 1, template(randomVector(random, dimension)))];
    await opened().upsert(stored);
    await opened().upsert(stored);
    await opened().remove([templateId(5), templateId(6)]);
    expect(await opened().partitions()).toMatchObject([{ templates: 1 }]);
    await opened().remove([templateId(1), templateId(1)]);
    await opened().remove([templateId(1)]);
    expect(await opened().partitions()).toEqual([]);
  });

  it('keeps its own copy of a template’s bytes', async () => {
    const stored = template(randomVector(random, dimension));
    const probe = template(randomVector(random, dimension));
    const expected = bruteForce([entry(1, 1, stored)], probe, 1);
    await opened().upsert([entry(1, 1, stored)]);
    stored.data.fill(1);
    expectSame(await searchOne(opened(), probe), expected);
  });
}

function partitions(opened: Opened): void {
  const random = seededRandom(5);

  it('answers a probe of an empty or unknown partition with nobody', async () => {
    const probe = template(randomVector(random, dimension));
    expect(await opened().search([probe, probe], { limit: 3 })).toEqual([[], []]);
    await opened().upsert([entry(1, 1, template(randomVector(random, dimension)))]);
    await opened().remove([templateId(1)]);
    expect(await opened().search([probe], { limit: 3 })).toEqual([[]]);
    expect(await opened().search([], { limit: 3 })).toEqual([]);
  });

  it('never compares across model spaces or keys, not even in one batch', async () => {
    const face = randomVector(random, dimension);
    const origins = [{}, inOtherSpace, withOtherKey, { ...inOtherSpace, ...withOtherKey }];
    await opened().upsert(origins.slice(0, 3).map((origin, person) => entry(person, person, template(face, origin))));
    const found = await opened().search(
      origins.map((origin) => template(face, origin)),
      { limit: 10 },
    );
    const people = found.map((candidates) => candidates.map((candidate) => candidate.personId));
    expect(people).toEqual([[personId(0)], [personId(1)], [personId(2)], []]);
    expect(await opened().partitions()).toHaveLength(3);
  });

  it('moves a template whose space or key changes', async () => {
    const face = randomVector(random, dimension);
    await opened().upsert([entry(1, 1, template(face))]);
    await opened().upsert([entry(1, 1, template(face, withOtherKey))]);
    expect(await searchOne(opened(), template(face))).toEqual([]);
    expect(await searchOne(opened(), template(face, withOtherKey))).toHaveLength(1);
  });

  it('holds partitions of different dimensions', async () => {
    const wide = randomVector(random, 2 * dimension);
    await opened().upsert([entry(1, 1, template(wide, inOtherSpace)), entry(2, 2, template(wide.slice(0, dimension)))]);
    expect(await searchOne(opened(), template(wide, inOtherSpace))).toMatchObject([{ personId: personId(1) }]);
  });
}

function refusals(opened: Opened): void {
  const random = seededRandom(6);
  const sound = template(randomVector(random, dimension));
  const notANumber = template(randomVector(random, dimension), { codec: 'float16' });
  new DataView(notANumber.data.buffer).setUint16(6, 0x7e00, true);
  const malformed = {
    'a NaN component': notANumber,
    'only zeros': { ...sound, data: new Uint8Array(dimension) },
    'too few bytes': { ...sound, data: sound.data.slice(1) },
    'an infinite scale': { ...sound, scale: Infinity },
    'a scale of zero': { ...sound, scale: 0 },
  };

  for (const [what, bad] of Object.entries(malformed)) {
    it(`refuses a template with ${what}, and applies nothing of the call`, async () => {
      const invalid = { code: 'TEMPLATE.INVALID' };
      await expect(opened().upsert([entry(1, 1, sound), entry(2, 2, bad)])).rejects.toMatchObject(invalid);
      expect(await opened().partitions()).toEqual([]);
      await expect(opened().search([sound, bad], { limit: 1 })).rejects.toMatchObject(invalid);
    });
  }

  it('refuses another dimension than its partition’s, and applies nothing of the call', async () => {
    const wrong = { code: 'TEMPLATE.WRONG_DIMENSION' };
    const wider = template(randomVector(random, 2 * dimension));
    await expect(opened().upsert([entry(1, 1, sound), entry(2, 2, wider)])).rejects.toMatchObject(wrong);
    expect(await opened().partitions()).toEqual([]);
    await opened().upsert([entry(1, 1, sound)]);
    await expect(opened().upsert([entry(3, 3, sound), entry(2, 2, wider)])).rejects.toMatchObject(wrong);
    await expect(opened().search([wider], { limit: 1 })).rejects.toMatchObject(wrong);
    expect(await opened().partitions()).toMatchObject([{ templates: 1 }]);
  });

  it('refuses a limit below one', async () => {
    for (const limit of [0, -1, 1.5, NaN]) {
      await expect(opened().search([sound], { limit })).rejects.toMatchObject({ code: 'REQUEST.INVALID' });
    }
  });

  it('rejects an aborted search with the reason, and goes on', async () => {
    await opened().upsert([entry(1, 1, sound)]);
    const controller = new AbortController();
    const search = opened().search([sound], { limit: 1, signal: controller.signal });
    controller.abort(new Error('nobody waits any more'));
    await expect(search).rejects.toThrow('nobody waits any more');
    expect(await searchOne(opened(), sound)).toHaveLength(1);
  });
}

function concurrency(opened: Opened): void {
  it('shows each change to every search that begins after it, with many of both under way', async () => {
    const random = seededRandom(7);
    const faces = Array.from({ length: 60 }, () => randomVector(random, dimension));
    const enrolAndErase = async (face: Float32Array, number: number): Promise<void> => {
      const probe = template(face);
      await opened().upsert([entry(number, number, probe)]);
      expect(await searchOne(opened(), probe, 1)).toMatchObject([{ personId: personId(number) }]);
      if (number % 2) return;
      await opened().remove([templateId(number)]);
      const left = await searchOne(opened(), probe, 100);
      expect(left.map((candidate) => candidate.personId)).not.toContain(personId(number));
    };
    await Promise.all(faces.map(enrolAndErase));
    expect(await opened().partitions()).toMatchObject([{ templates: 30 }]);
  });

  it('answers many probes at once as it answers each alone', async () => {
    const random = seededRandom(8);
    const { faces, entries } = crowd(random, { people: 80, templatesEach: 2, dimension, spread: 0.5 });
    await opened().upsert(entries);
    const probes = faces.map((face) => template(near(random, face, 0.5)));
    const together = await Promise.all(probes.map((probe) => searchOne(opened(), probe, 2)));
    probes.forEach((probe, index) => expectSame(together[index], bruteForce(entries, probe, 2)));
  });
}
