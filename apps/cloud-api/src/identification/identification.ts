import type { rest } from '@sightline/contracts';
import type { Candidate, Gallery, GalleryFilter } from '@sightline/gallery';
import {
  isAppError,
  type DeviceId,
  type ErrorCode,
  type PersonId,
  type Sha256,
  type TenantId,
} from '@sightline/kernel';
import {
  HARD_NEGATIVE_MARGIN,
  judgeOpenSet,
  searchPoint,
  type OpenSetDecision,
  type OpenSetJudgement,
  type SearchPoint,
} from '@sightline/matching';
import {
  assertComparable,
  poolTemplates,
  validateTemplate,
  type Template,
  type TemplateBelonging,
} from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import { GALLERY } from '../platform/tokens.js';
import type { CalibratedRelease } from '../releases/active-release.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { DecisionPlaces } from './decision-places.js';
import { offsetFor, type ResolvedRules } from './decision-policy.js';
import { GalleryFollower } from './gallery-follower.js';
import { HardNegatives } from './hard-negatives.js';
import { ProbeKeeping, type SealedProbe } from './probe-keeping.js';
import { RecentSearches } from './recent-searches.js';
import { SearchedTemplates } from './searched-templates.js';

/** Nearest people that are kept: more than two, so that a decision stands when the nearest was erased meanwhile. */
const CANDIDATES = 5;

/** Somebody to identify: the templates of their best shots, or why there are none. */
export interface Probe {
  readonly tenantId: TenantId;
  readonly shots: readonly Template[];
  readonly refusalCode?: ErrorCode | undefined;
  /** Of the best shot, 0 to 1. */
  readonly quality?: number | undefined;
  /** How live the person looked, 0 to 1; null or absent where nothing has looked. */
  readonly liveScore?: number | null | undefined;
  /** Where the sighting was made: it may decide what the identification is for. */
  readonly deviceId?: DeviceId | undefined;
  readonly cameraId?: string | undefined;
  /** What the identification is for, where that does not depend on the place. */
  readonly use?: rest.DecisionUse | undefined;
}

export interface FoundPerson extends Candidate {
  /** Of the nearest probe that is known not to be this person. */
  readonly negativeScore?: number | undefined;
}

/** What a search stood on. */
export interface SearchBasis {
  readonly templatesSearched: number;
  /** The site whose people were looked for; null: of all sites. */
  readonly site: string | null;
  readonly release: Pick<CalibratedRelease['manifest'], 'version' | 'modelSpace' | 'calibration'>;
  /** The embedder that made the probe; null where there is none that may be compared. */
  readonly probeVariantDigest: Sha256 | null;
}

/** What a search found, not yet decided: see {@link judge}. */
export interface SearchResult {
  readonly point: SearchPoint;
  readonly rules: ResolvedRules;
  readonly basis: SearchBasis;
  /** Best first. */
  readonly candidates: readonly FoundPerson[];
  readonly refusalCode?: ErrorCode | undefined;
  readonly quality?: number | undefined;
  readonly liveScore?: number | null | undefined;
  /** The probe, sealed for a review of the decision, where one is kept. */
  readonly kept?: SealedProbe | undefined;
}

/** A probe with all that its search needs. */
interface PreparedProbe {
  readonly probe: Probe;
  readonly rules: ResolvedRules;
  readonly filter: GalleryFilter | undefined;
  readonly belonging: TemplateBelonging;
  /** One of all shots, or the code of why they cannot be compared. */
  readonly pooled: Template | ErrorCode;
}

/** Open-set identification against the gallery. */
@Injectable()
export class Identification {
  readonly #recent = new RecentSearches();

  constructor(
    @Inject(GALLERY) private readonly gallery: Gallery,
    private readonly follower: GalleryFollower,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
    private readonly places: DecisionPlaces,
    private readonly searchedTemplates: SearchedTemplates,
    private readonly hardNegatives: HardNegatives,
    private readonly keeping: ProbeKeeping,
  ) {}

  /**
   * Searches for every probe at once. A probe that cannot be compared gets the reason instead of candidates; it never
   * keeps the others from being searched.
   *
   * @throws AppError `RELEASE.UNAVAILABLE` (retryable)
   */
  async search(probes: readonly Probe[], signal?: AbortSignal): Promise<readonly SearchResult[]> {
    const release = this.releases.current();
    const prepared = await this.#prepare(probes, release);
    const found = await this.#nearest(prepared, signal);
    const results = await Promise.all(
      prepared.map(async (one, index): Promise<SearchResult> => {
        const { probe, rules, filter, belonging, pooled } = one;
        const templatesSearched = await this.searchedTemplates.count(probe.tenantId, belonging, filter);
        const isRefused = typeof pooled === 'string';
        const { calibration } = release.manifest;
        const offset = offsetFor(rules, calibration.variantDigest);
        return {
          point: searchPoint(calibration.points, { ...rules.target, offset }, templatesSearched),
          rules,
          basis: {
            templatesSearched,
            site: filter?.site ?? null,
            release: release.manifest,
            probeVariantDigest: isRefused ? null : pooled.variantDigest,
          },
          candidates: found[index] ?? [],
          ...(isRefused && { refusalCode: pooled }),
          quality: probe.quality,
          liveScore: probe.liveScore,
        };
      }),
    );
    const refuted = await this.#withHardNegatives(prepared, results);
    return this.#withKeptProbes(prepared, refuted);
  }

  async #prepare(probes: readonly Probe[], release: CalibratedRelease): Promise<readonly PreparedProbe[]> {
    const { dimension } = release.manifest.modelSpace;
    const spaceId = release.recogniser.spaceId;
    const resolved = await this.places.rulesOf(probes);
    return Promise.all(
      resolved.map(async ({ probe, rules, siteId }): Promise<PreparedProbe> => {
        const { keyId } = await this.templateKeys.current(probe.tenantId);
        const belonging = { spaceId, keyId };
        return {
          ...{ probe, rules, belonging },
          filter: filterOf(rules, siteId),
          pooled: await this.#pool(probe, belonging, dimension),
        };
      }),
    );
  }

  /**
   * One probe of all shots under the tenant's current key, whichever of its live keys the box still has.
   *
   * @returns the code of why they cannot be compared, where they cannot
   */
  async #pool(
    { tenantId, shots, refusalCode }: Probe,
    belonging: TemplateBelonging,
    dimension: number,
  ): Promise<Template | ErrorCode> {
    if (refusalCode !== undefined) return refusalCode;
    if (shots.length === 0) return 'TEMPLATE.MISSING';
    const { spaceId, keyId } = belonging;
    try {
      for (const shot of shots) {
        assertComparable(shot, { spaceId, keyId: shot.keyId });
        validateTemplate(shot, { dimension });
      }
      const isOld = shots.some((shot) => shot.keyId !== keyId);
      const current = isOld
        ? await Promise.all(shots.map((shot) => this.templateKeys.under(keyId, tenantId, shot)))
        : shots;
      return poolTemplates(current);
    } catch (error) {
      if (isAppError(error) && !error.retryable) return error.code;
      throw error;
    }
  }

  /** In one search for each filter, which is one search where there are none; sightings' probes once for each gallery. */
  async #nearest(prepared: readonly PreparedProbe[], signal?: AbortSignal): Promise<readonly (readonly Candidate[])[]> {
    const groups = new Map<string, { filter: GalleryFilter | undefined; at: number[]; probes: Template[] }>();
    prepared.forEach(({ probe: { deviceId }, filter, pooled }, index) => {
      if (typeof pooled === 'string') return;
      const name = JSON.stringify([filter, deviceId !== undefined]);
      const group = groups.get(name) ?? { filter, at: [], probes: [] };
      group.at.push(index);
      group.probes.push(pooled);
      groups.set(name, group);
    });
    const found: (readonly Candidate[])[] = prepared.map(() => []);
    await Promise.all(
      [...groups].map(async ([name, { filter, at, probes }]) => {
        const options = { limit: CANDIDATES, ...(filter && { filter }), ...(signal && { signal }) };
        // Photos are searched with, and nothing of them is kept, not for a moment.
        const isOfSightings = prepared[at[0] ?? -1]?.probe.deviceId !== undefined;
        const nearest = isOfSightings
          ? await this.#recent.find(
              probes.map((probe) => RecentSearches.nameOf(probe, name)),
              this.follower.version,
              (places) =>
                this.gallery.search(
                  places.flatMap((place) => probes[place] ?? []),
                  options,
                ),
            )
          : await this.gallery.search(probes, options);
        at.forEach((index, position) => (found[index] = nearest[position] ?? []));
      }),
    );
    return found;
  }

  async #withHardNegatives(
    prepared: readonly PreparedProbe[],
    results: readonly SearchResult[],
  ): Promise<readonly SearchResult[]> {
    const questions = results.flatMap(({ candidates, point }, index) => {
      const { probe, pooled } = prepared[index] ?? {};
      // Only who is above the bar can be named, and has to be asked about.
      const personIds = candidates.filter(({ score }) => score >= point.threshold).map(({ personId }) => personId);
      if (probe === undefined || pooled === undefined || typeof pooled === 'string' || personIds.length === 0)
        return [];
      return [{ index, tenantId: probe.tenantId, probe: pooled, personIds }];
    });
    if (questions.length === 0) return results;
    const scores = await this.hardNegatives.scores(questions);
    return results.map((result, index) => {
      const own = scores.get(index);
      if (own === undefined) return result;
      const candidates = result.candidates.map((candidate) => {
        const negativeScore = own.get(candidate.personId);
        return negativeScore === undefined ? candidate : { ...candidate, negativeScore };
      });
      return { ...result, candidates };
    });
  }

  async #withKeptProbes(
    prepared: readonly PreparedProbe[],
    results: readonly SearchResult[],
  ): Promise<readonly SearchResult[]> {
    const wanted = results.map((result, index) => {
      const { probe, pooled } = prepared[index] ?? {};
      // Photos are searched with, and nothing of them is stored.
      if (probe?.deviceId === undefined || pooled === undefined || typeof pooled === 'string') return undefined;
      return { tenantId: probe.tenantId, probe: pooled, decision: judge(result, () => true).decision };
    });
    const kept = await this.keeping.seal(wanted);
    return results.map((result, index) => (kept[index] ? { ...result, kept: kept[index] } : result));
  }
}

function filterOf({ siteOnly, groups }: ResolvedRules, siteId: string | undefined): GalleryFilter | undefined {
  const site = siteOnly ? siteId : undefined;
  if (site === undefined && groups.length === 0) return undefined;
  return { ...(site !== undefined && { site }), ...(groups.length > 0 && { groups }) };
}

/**
 * Decides from what a search found, with the people who exist now, and says how.
 *
 * @param exists whether a person is still enrolled: somebody erased after the search is never named
 */
export function judge(
  { candidates, point, rules, refusalCode, quality, liveScore }: SearchResult,
  exists: (personId: PersonId) => boolean,
): OpenSetJudgement {
  const { threshold, falseMatchRate } = point;
  const { margin, minimumQuality, requiredLiveScore } = rules;
  return judgeOpenSet({
    ...{ threshold, falseMatchRate, margin, minimumQuality, requiredLiveScore, refusalCode, quality, liveScore },
    negativeMargin: HARD_NEGATIVE_MARGIN,
    candidates: candidates.filter(({ personId }) => exists(personId)),
  });
}

/** The decision of {@link judge} alone. */
export function decide(result: SearchResult, exists: (personId: PersonId) => boolean): OpenSetDecision {
  return judge(result, exists).decision;
}
