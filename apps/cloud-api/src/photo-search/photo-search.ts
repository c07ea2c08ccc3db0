import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type Clock, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import { chooseFace } from '../faces/choose-face.js';
import type { Turn } from '../http/turnstile.js';
import { DecisionPlaces } from '../identification/decision-places.js';
import { Identification } from '../identification/identification.js';
import { KeptProbeReader } from '../identification/kept-probe-reader.js';
import { PhotoFaces } from '../identification/photo-faces.js';
import { templatesOfPerson } from '../identification/stored-templates.js';
import { foundPeople } from '../people/identify-photo.js';
import { People } from '../people/people.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { ProbeSearch, type ProbeAnswer } from './probe-search.js';
import { SearchStore } from './search-store.js';
import { isSearchPermitted } from './searchable-probes.js';

/** What is searched with. */
export type SearchedWith =
  | { readonly kind: 'photo'; readonly photo: Uint8Array; readonly face: 'only' | 'largest' }
  | { readonly kind: 'sighting'; readonly sightingId: SightingId }
  | { readonly kind: 'person'; readonly personId: PersonId };

type FoundPeople = rest.SearchResult['people'];

/** Where a face was seen, and whose it is: people, and sightings whose probes are kept. */
@Injectable()
export class PhotoSearch {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly photoFaces: PhotoFaces,
    private readonly keptProbes: KeptProbeReader,
    private readonly personalData: PersonalData,
    private readonly people: People,
    private readonly places: DecisionPlaces,
    private readonly identification: Identification,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
    private readonly probeSearch: ProbeSearch,
    private readonly store: SearchStore,
  ) {}

  /**
   * Searches at once: the search ends with its client.
   *
   * @throws AppError `VERIFICATION.*`, `IMAGE.*`, `SEARCH.PROBE_NOT_KEPT`, `PERSON.NOT_FOUND`, `PERSON.NOT_ENROLLED`,
   *   `CONSENT.MISSING`, `RELEASE.UNAVAILABLE`, `REQUEST.RATE_LIMITED` (retryable)
   */
  async search(
    { tenantId, actor }: Pick<RequestCaller, 'tenantId' | 'actor'>,
    searched: { readonly with: SearchedWith; readonly fields: rest.SearchFields },
    turn: Turn,
  ): Promise<rest.SearchResult> {
    const startedMs = this.clock.monotonicMs();
    const { purpose, reason, limit } = searched.fields;
    const row = await this.store.begin({ tenantId, actor, purpose, reason, searchedWith: searched.with.kind });
    try {
      const templates = await this.#templates(tenantId, searched.with, turn);
      const people = searched.with.kind === 'person' ? null : await this.#people(tenantId, templates, turn);
      const answer = await this.#sightings(tenantId, { ...searched, templates }, turn);
      const durationMs = this.clock.monotonicMs() - startedMs;
      const done = await this.store.finish(row, factsOf(answer, { people, durationMs }), answer.best);
      const sightings = await this.store.sightings(row, { limit, after: 0 });
      return { search: this.store.view(done), people, sightings };
    } catch (error) {
      await this.store.fail(row).catch(() => undefined);
      throw error;
    }
  }

  /** Each under one of the tenant's live keys. */
  async #templates(tenantId: TenantId, searched: SearchedWith, turn: Turn): Promise<readonly Template[]> {
    if (searched.kind === 'photo') {
      const { release, faces } = await this.photoFaces.detect(searched.photo, turn);
      const face = chooseFace(faces, searched.face, 'photo');
      return (await this.photoFaces.embed(tenantId, release, [face], { signal: turn.signal })).templates;
    }
    const { recogniser } = this.releases.current();
    const known =
      searched.kind === 'person'
        ? await this.#personTemplates(tenantId, searched.personId)
        : await this.#sightingTemplates(tenantId, searched.sightingId);
    const live = await this.templateKeys.live(tenantId);
    const comparable = known.filter(
      (one) => one.spaceId === recogniser.spaceId && live.some((key) => key.keyId === one.keyId),
    );
    if (comparable.length === 0) {
      throw searched.kind === 'person'
        ? new AppError('PERSON.NOT_ENROLLED', 'The person has no template of the models and keys in use.')
        : new AppError('SEARCH.PROBE_NOT_KEPT', 'The probe of the sighting is not of the models and keys in use.');
    }
    return comparable;
  }

  async #personTemplates(tenantId: TenantId, personId: PersonId): Promise<readonly Template[]> {
    await this.people.get(tenantId, personId);
    if ((await this.people.names(tenantId, [personId], 'photo-search')).size === 0) {
      throw new AppError('CONSENT.MISSING', 'The person may not be searched for.');
    }
    return templatesOfPerson(this.database, this.personalData, { tenantId, personId });
  }

  async #sightingTemplates(tenantId: TenantId, sightingId: SightingId): Promise<readonly Template[]> {
    const kept = await this.keptProbes.of(tenantId, sightingId);
    if (kept === undefined) {
      throw new AppError('SEARCH.PROBE_NOT_KEPT', 'There is no such sighting, or its probe is not kept (any more).');
    }
    if (!(await isSearchPermitted(this.database, { tenantId, sightingId }))) {
      throw new AppError('CONSENT.MISSING', 'The sighting shows somebody who may not be searched for.');
    }
    return [kept];
  }

  async #people(tenantId: TenantId, shots: readonly Template[], { signal }: Turn): Promise<FoundPeople> {
    const [result] = await this.identification.search([{ tenantId, shots, use: 'photo-search' }], signal);
    if (result === undefined) throw new AppError('SERVICE.INTERNAL', 'A probe was not searched with.');
    const ids = result.candidates.map(({ personId }) => personId);
    return foundPeople(result, await this.people.names(tenantId, ids, 'photo-search'));
  }

  async #sightings(
    tenantId: TenantId,
    searched: {
      readonly with: SearchedWith;
      readonly fields: rest.SearchFields;
      readonly templates: readonly Template[];
    },
    { signal }: Turn,
  ): Promise<ProbeAnswer> {
    const { fields, templates } = searched;
    const [place] = await this.places.rulesOf([{ tenantId, use: 'photo-search' as const }]);
    if (place === undefined) throw new AppError('SERVICE.INTERNAL', 'There are no rules.');
    const { falsePositiveRate = place.rules.target.falsePositiveRate } = fields;
    const target = { falseMatchRate: place.rules.target.falseMatchRate, falsePositiveRate };
    const except = searched.with.kind === 'sighting' ? searched.with.sightingId : undefined;
    return this.probeSearch.search({ tenantId, templates, fields, except, target }, signal);
  }
}

function factsOf(
  { searched, notSearched, found, point, falsePositiveRate }: ProbeAnswer,
  { people, durationMs }: { readonly people: FoundPeople; readonly durationMs: number },
): rest.SearchFacts {
  return {
    ...{ probesSearched: searched, notSearched, sightingsFound: found, durationMs, falsePositiveRate },
    peopleFound: people?.candidates.filter(({ score }) => score >= people.threshold).length ?? null,
    threshold: point.threshold,
    falseMatchRate: point.falseMatchRate,
    calibrationLimited: point.calibrationLimited,
  };
}
