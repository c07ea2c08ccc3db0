import { create } from '@bufbuild/protobuf';
import { PresentationAttackSchema, type PresentationAttack } from '@sightline/contracts';
import type { Recogniser } from '@sightline/recognition';

import type { Shot } from './best-shots.js';

/** Whether a camera looks for presentation attacks, and what follows. */
export interface PresentationPolicy {
  /** off: nothing is scored. report: sightings say how live they look. require: who looks less is never identified. */
  readonly mode: 'off' | 'report' | 'require';
  /** What `require` asks of the live score, 0 to 1. */
  readonly minimumLiveScore: number;
}

export const defaultPresentationPolicy: PresentationPolicy = { mode: 'report', minimumLiveScore: 0.5 };

/** How live the shots of one track look. */
export class PresentationScores {
  readonly #scores = new WeakMap<Shot, number>();

  /**
   * Scores the shots that have surroundings and were not scored yet.
   *
   * @returns ms a shot; undefined when there was nothing to do
   */
  async add(shots: readonly Shot[], recogniser: Recogniser): Promise<number | undefined> {
    const missing = shots.filter((shot) => shot.surroundings && !this.#scores.has(shot));
    if (missing.length === 0 || !recogniser.scoresPresentations) return undefined;
    const { scores, presentationMs } = await recogniser.liveScores(missing);
    for (const [index, score] of scores.entries()) {
      const shot = missing[index];
      if (shot) this.#scores.set(shot, score);
    }
    return presentationMs / missing.length;
  }

  /** Takes over what another track's shot was scored. */
  adopt(shot: Shot, from: PresentationScores): void {
    const score = from.#scores.get(shot);
    if (score !== undefined) this.#scores.set(shot, score);
  }

  /**
   * What a sighting says of its shots: their mean score, weighted by quality, as their templates are fused. Where a
   * live presentation is required it is the lowest instead: one shot of a photograph among those of a living face
   * would lend its template to the sighting all the same. A shot that could not be scored counts as not live there.
   *
   * @returns undefined where the camera does not look for attacks
   */
  of(shots: readonly Shot[], policy: PresentationPolicy | undefined): PresentationAttack | undefined {
    if (policy === undefined || policy.mode === 'off') return undefined;
    const { mode, minimumLiveScore } = policy;
    const scored = shots.flatMap((shot) => {
      const score = this.#scores.get(shot);
      return score === undefined ? [] : [{ score, weight: shot.quality }];
    });
    const requiredLiveScore = mode === 'require' ? minimumLiveScore : 0;
    const isWhole = mode === 'report' || scored.length === shots.length;
    if (scored.length === 0 || !isWhole) return create(PresentationAttackSchema, { requiredLiveScore });
    const liveScore = mode === 'require' ? Math.min(...scored.map(({ score }) => score)) : weightedMean(scored);
    return create(PresentationAttackSchema, { liveScore, shots: scored.length, requiredLiveScore });
  }
}

/** Whether anybody may be named: not where a live presentation is required and was not seen. */
export function mayBeIdentified(presentation: PresentationAttack | undefined): boolean {
  if (presentation === undefined || presentation.requiredLiveScore === 0) return true;
  return presentation.shots > 0 && presentation.liveScore >= presentation.requiredLiveScore;
}

function weightedMean(scored: readonly { readonly score: number; readonly weight: number }[]): number {
  const weights = scored.reduce((sum, { weight }) => sum + weight, 0);
  if (!(weights > 0)) return scored.reduce((sum, { score }) => sum + score, 0) / scored.length;
  return scored.reduce((sum, { score, weight }) => sum + score * weight, 0) / weights;
}
