import type { Candidate, Gallery } from '@sightline/gallery';
import { isAppError, type ErrorCode, type PersonId, type TenantId } from '@sightline/kernel';
import { decideOpenSet, type OpenSetDecision, type OperatingPoint } from '@sightline/matching';
import {
  assertComparable,
  poolTemplates,
  templateKeyId,
  validateTemplate,
  type Template,
  type TemplateBelonging,
} from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import { GALLERY } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** Nearest people that are kept: more than one, so that a decision stands when the nearest was erased meanwhile. */
const CANDIDATES = 5;

/** Somebody to identify: the templates of their best shots, or why there are none. */
export interface Probe {
  readonly tenantId: TenantId;
  readonly shots: readonly Template[];
  readonly refusalCode?: ErrorCode | undefined;
}

/** What a search found, not yet decided: see {@link decide}. */
export interface SearchResult {
  readonly operatingPoint: OperatingPoint;
  /** Best first. */
  readonly candidates: readonly Candidate[];
  readonly refusalCode?: ErrorCode | undefined;
}

/** Open-set identification against the gallery. */
@Injectable()
export class Identification {
  constructor(
    @Inject(GALLERY) private readonly gallery: Gallery,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * Searches for every probe at once. A probe that cannot be compared gets the reason instead of candidates; it never
   * keeps the others from being searched.
   *
   * @throws AppError `RELEASE.UNAVAILABLE` (retryable)
   */
  async search(probes: readonly Probe[], signal?: AbortSignal): Promise<readonly SearchResult[]> {
    const { operatingPoint, manifest } = this.releases.current();
    const pooled = await Promise.all(
      probes.map(async (probe) => {
        const belonging = await this.#belonging(probe.tenantId);
        return poolShots(probe, belonging, manifest.modelSpace.dimension);
      }),
    );
    const searchable = pooled.filter((probe): probe is Template => typeof probe !== 'string');
    const options = { limit: CANDIDATES, ...(signal && { signal }) };
    const found = searchable.length === 0 ? [] : await this.gallery.search(searchable, options);
    let next = 0;
    return pooled.map((probe) =>
      typeof probe === 'string'
        ? { operatingPoint, candidates: [], refusalCode: probe }
        : { operatingPoint, candidates: found[next++] ?? [] },
    );
  }

  async #belonging(tenantId: TenantId): Promise<TemplateBelonging> {
    const spaceId = this.releases.current().recogniser.spaceId;
    return { spaceId, keyId: templateKeyId(await this.templateKeys.current(tenantId)) };
  }
}

/** @returns one probe of all shots, or the code of why they cannot be compared */
function poolShots(
  { shots, refusalCode }: Probe,
  belonging: TemplateBelonging,
  dimension: number,
): Template | ErrorCode {
  if (refusalCode !== undefined) return refusalCode;
  if (shots.length === 0) return 'TEMPLATE.MISSING';
  try {
    for (const shot of shots) {
      assertComparable(shot, belonging);
      validateTemplate(shot, { dimension });
    }
    return poolTemplates(shots);
  } catch (error) {
    if (isAppError(error) && !error.retryable) return error.code;
    throw error;
  }
}

/**
 * Decides from what a search found, with the people who exist now.
 *
 * @param exists whether a person is still enrolled: somebody erased after the search is never named
 */
export function decide(result: SearchResult, exists: (personId: PersonId) => boolean): OpenSetDecision {
  const candidates = result.candidates.filter(({ personId }) => exists(personId));
  const { operatingPoint, refusalCode } = result;
  return decideOpenSet({ ...operatingPoint, candidates, ...(refusalCode !== undefined && { refusalCode }) });
}
