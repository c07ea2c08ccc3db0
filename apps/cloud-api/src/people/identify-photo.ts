import type { rest } from '@sightline/contracts';
import type { Clock, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import type { Turn } from '../http/turnstile.js';
import { decide, Identification, type SearchResult } from '../identification/identification.js';
import { PhotoFaces } from '../identification/photo-faces.js';
import { CLOCK } from '../platform/tokens.js';
import { People } from './people.js';

type Names = Awaited<ReturnType<People['names']>>;

/** Identifies everybody in a photo; nothing of it is stored. */
@Injectable()
export class IdentifyPhoto {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly photoFaces: PhotoFaces,
    private readonly identification: Identification,
    private readonly people: People,
  ) {}

  /** @throws AppError `IMAGE.*`, `RELEASE.UNAVAILABLE` */
  async identify(tenantId: TenantId, photo: Uint8Array, turn: Turn): Promise<rest.IdentifyResponse> {
    const { release, faces, stageMs } = await this.photoFaces.detect(photo, turn);
    const { templates, embedMs } = await this.photoFaces.embed(tenantId, release, faces, { signal: turn.signal });
    const startedMs = this.clock.monotonicMs();
    const probes = templates.map((template, index) => ({
      ...{ tenantId, shots: [template], quality: faces[index]?.quality },
      use: 'photo-search' as const,
    }));
    const results = await this.identification.search(probes, turn.signal);
    const found = new Set(results.flatMap(({ candidates }) => candidates.map(({ personId }) => personId)));
    const names = await this.people.names(tenantId, [...found], 'photo-search');
    const identify = this.clock.monotonicMs() - startedMs;
    return {
      faces: faces.flatMap(({ box, quality }, index) => {
        const result = results[index];
        return result === undefined ? [] : [{ ...foundPeople(result, names), box: { ...box }, quality }];
      }),
      release: { version: release.manifest.version, digest: release.digest },
      modelSpace: release.manifest.modelSpace.id,
      stageMs: { ...stageMs, embed: embedMs, identify },
    };
  }
}

/** What a search found, as REST shows it. */
export function foundPeople(result: SearchResult, names: Names): Omit<rest.IdentifiedFace, 'box' | 'quality'> {
  const decision = decide(result, (personId) => names.has(personId));
  const { outcome, threshold, falseMatchRate } = decision;
  const name = decision.outcome === 'identified' ? names.get(decision.personId) : undefined;
  const between = decision.outcome === 'ambiguous' ? decision.personIds : [];
  return {
    outcome,
    person: decision.outcome === 'identified' && name !== undefined ? { id: decision.personId, name } : null,
    ambiguousBetween: between.flatMap((id) => {
      const known = names.get(id);
      return known === undefined ? [] : [{ id, name: known }];
    }),
    refusalCode: decision.outcome === 'refused' ? decision.refusalCode : null,
    score: decision.outcome === 'refused' ? null : (decision.score ?? null),
    threshold,
    falseMatchRate,
    candidates: result.candidates.flatMap(({ personId, score }) => {
      const known = names.get(personId);
      return known === undefined ? [] : [{ personId, name: known, score }];
    }),
  };
}
