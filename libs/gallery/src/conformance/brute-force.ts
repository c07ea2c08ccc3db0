import type { PersonId } from '@sightline/kernel';
import { byScoreThenPerson, cosine } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import type { Candidate, GalleryEntry, GalleryFilter } from '../gallery.js';
import { passes } from '../passes.js';

/**
 * What a gallery must answer, computed the slow way: every stored form against the probe; the best template of a
 * person, of two equals the smaller id; people by score, ties by person id.
 */
export function bruteForce(
  entries: readonly GalleryEntry[],
  probe: Template,
  limit: number,
  filter: GalleryFilter = {},
): readonly Candidate[] {
  const vector = decodeTemplate(probe);
  const best = new Map<PersonId, Candidate>();
  for (const { personId, templateId, template, attributes } of entries) {
    if (!passes(attributes, filter)) continue;
    if (template.spaceId !== probe.spaceId || template.keyId !== probe.keyId) continue;
    const score = cosine(vector, decodeTemplate(template));
    const known = best.get(personId);
    const better = !known || score > known.score || (score === known.score && templateId < known.templateId);
    if (better) best.set(personId, { personId, templateId, score });
  }
  return [...best.values()].sort(byScoreThenPerson).slice(0, limit);
}
