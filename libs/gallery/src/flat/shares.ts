import type { TemplateId } from '@sightline/kernel';
import { byScoreThenPerson } from '@sightline/matching';

import type { Candidate } from '../gallery.js';
import type { GalleryChange } from './flat-gallery-calls.js';

/** Parts that the templates are in, each held and searched by a thread. */
export const shares = 2;

/** Templates of the larger share at most: six standard deviations above an even one. */
export function largestShareOf(templates: number): number {
  return Math.min(templates, Math.ceil(templates / shares + (6 / shares) * Math.sqrt((shares - 1) * templates)));
}

/** Which share a template is in, from 0 on, by its id alone: about as many are in each. */
export function shareOf(templateId: TemplateId): number {
  let hash = 0;
  // The end of a time-ordered id is its random part.
  for (let place = Math.max(0, templateId.length - 8); place < templateId.length; place += 1) {
    hash = (31 * hash + templateId.charCodeAt(place)) % 65_536;
  }
  return hash % shares;
}

/** What a change is to one share. */
export function changeOfShare({ removals, upserts }: GalleryChange, share: number): GalleryChange {
  return {
    removals: removals.filter((templateId) => shareOf(templateId) === share),
    upserts: upserts.flatMap(({ partition, templates }) => {
      const own = templates.filter(({ templateId }) => shareOf(templateId) === share);
      return own.length > 0 ? [{ partition, templates: own }] : [];
    }),
  };
}

/** @param found the nearest `limit` people of each share @returns those of all, best first */
export function nearestOfAll(found: readonly (readonly Candidate[])[], limit: number): readonly Candidate[] {
  const people = new Map<string, Candidate>();
  for (const candidate of found.flat().sort(byScorePersonAndTemplate)) {
    if (!people.has(candidate.personId)) people.set(candidate.personId, candidate);
    if (people.size === limit) break;
  }
  return [...people.values()];
}

function byScorePersonAndTemplate(a: Candidate, b: Candidate): number {
  return byScoreThenPerson(a, b) || (a.templateId < b.templateId ? -1 : Number(a.templateId > b.templateId));
}
