import { expect, it } from 'vitest';

import type { GalleryEntry, GalleryFilter } from '../gallery.js';
import { bruteForce } from './brute-force.js';
import { dimension, expectSame, type Opened } from './expectations.js';
import { crowd, entry, near, personId, randomVector, seededRandom, template, templateId } from './samples.js';

const filterSamples: readonly GalleryFilter[] = [
  {},
  { site: 'north' },
  { site: 'nowhere' },
  { groups: ['staff'] },
  { groups: ['staff', 'wanted'] },
  { groups: [] },
  { groups: ['nobody'] },
  { site: 'south', groups: ['wanted'] },
];

/** Searches of a site's people, or of some groups'. */
export function narrowing(opened: Opened): void {
  const random = seededRandom(9);
  const sites = ['north', 'south', 'east'];
  const groups = ['staff', 'wanted'];
  const some = (names: readonly string[]): string[] => names.filter(() => random() < 0.3);
  const people = Array.from({ length: 120 }, () => ({ sites: some(sites), groups: some(groups) }));

  it('finds those alone whom the filter lets through, as brute force does', async () => {
    const { faces, entries } = crowd(random, { people: people.length, templatesEach: 3, dimension, spread: 0.6 });
    const marked = entries.map((enrolled, index) => ({
      ...enrolled,
      attributes: people[Math.floor(index / 3)] ?? enrolled.attributes,
    }));
    await opened().upsert(marked);
    const probes = faces.slice(0, 6).map((face) => template(near(random, face, 0.6)));
    for (const filter of filterSamples) {
      for (const limit of [1, 7, 500]) {
        const found = await opened().search(probes, { limit, filter });
        probes.forEach((probe, index) => expectSame(found[index], bruteForce(marked, probe, limit, filter)));
      }
    }
  });

  it('follows a change of sites and groups, and of what lies where a removed template was', async () => {
    const faces = [1, 2, 3].map(() => template(randomVector(random, dimension)));
    const probe = template(randomVector(random, dimension));
    const at = (number: number, site: string): GalleryEntry =>
      entry(number, number, faces[number] ?? probe, { sites: [site] });
    const found = async (site: string): Promise<readonly unknown[]> => {
      const [candidates] = await opened().search([probe], { limit: 10, filter: { site } });
      return (candidates ?? []).map((candidate) => candidate.personId).sort();
    };
    await opened().upsert([at(0, 'north'), at(1, 'south'), at(2, 'north')]);
    expect([await found('north'), await found('south')]).toEqual([[0, 2].map(personId), [personId(1)]]);
    await opened().upsert([at(0, 'south')]);
    expect([await found('north'), await found('south')]).toEqual([[personId(2)], [0, 1].map(personId)]);
    await opened().remove([templateId(1)]);
    expect([await found('north'), await found('south')]).toEqual([[personId(2)], [personId(0)]]);
  });
}
