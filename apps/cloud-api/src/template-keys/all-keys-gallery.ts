import type { Candidate, Gallery, GalleryEntry, PartitionSize, SearchOptions } from '@sightline/gallery';
import type { PersonId, TemplateId } from '@sightline/kernel';
import { byScoreThenPerson } from '@sightline/matching';
import type { Template } from '@sightline/template-protection';

import type { TemplateKeys } from './template-keys.js';

/**
 * A gallery that understands every live key of a tenant: while templates move from one key to the next, a probe under
 * either is looked for under both. Its answer is that of a gallery which has all of them under one key.
 */
export class AllKeysGallery implements Gallery {
  readonly #gallery: Gallery;
  readonly #keys: Pick<TemplateKeys, 'siblings' | 'under'>;

  constructor(gallery: Gallery, keys: Pick<TemplateKeys, 'siblings' | 'under'>) {
    this.#gallery = gallery;
    this.#keys = keys;
  }

  upsert(entries: readonly GalleryEntry[]): Promise<void> {
    return this.#gallery.upsert(entries);
  }

  remove(templateIds: readonly TemplateId[]): Promise<void> {
    return this.#gallery.remove(templateIds);
  }

  async search(probes: readonly Template[], options: SearchOptions): Promise<readonly (readonly Candidate[])[]> {
    const forms = await Promise.all(probes.map((probe) => this.#underAll(probe)));
    const found = await this.#gallery.search(forms.flat(), options);
    let next = 0;
    return forms.map(({ length }) => {
      const ofProbe = found.slice(next, (next += length));
      return ofProbe.length === 1 ? (ofProbe[0] ?? []) : nearestOf(ofProbe.flat(), options.limit);
    });
  }

  partitions(): Promise<readonly PartitionSize[]> {
    return this.#gallery.partitions();
  }

  close(): Promise<void> {
    return this.#gallery.close();
  }

  async #underAll(probe: Template): Promise<readonly Template[]> {
    const keys = await this.#keys.siblings(probe.keyId);
    if (keys.length < 2) return [probe];
    return Promise.all(keys.map(({ keyId, tenantId }) => this.#keys.under(keyId, tenantId, probe)));
  }
}

/** The nearest people of several searches, each with their best template, as the port orders them. */
function nearestOf(candidates: readonly Candidate[], limit: number): readonly Candidate[] {
  const best = new Map<PersonId, Candidate>();
  for (const candidate of candidates) {
    const known = best.get(candidate.personId);
    if (known === undefined || isBetter(candidate, known)) best.set(candidate.personId, candidate);
  }
  return [...best.values()].sort(byScoreThenPerson).slice(0, limit);
}

const isBetter = (one: Candidate, other: Candidate): boolean =>
  one.score > other.score || (one.score === other.score && one.templateId < other.templateId);
