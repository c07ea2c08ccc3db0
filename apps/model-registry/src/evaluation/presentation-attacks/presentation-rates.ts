import type { Recogniser } from '@sightline/recognition';
import type { Frame } from '@sightline/vision';

import { centralFace } from '../embed-images.js';
import { attacks, seenByCamera, type Live } from './attacks.js';
import { seededRandom } from './pixels.js';
import { median, significant } from '@sightline/matching';
import { apcer, areaUnderCurve, bpcer, thresholdAtBpcer } from './rates.js';

const LIVE = 'live';
const THRESHOLDS = [0.1, 0.3, 0.5, 0.7, 0.9];
const BPCERS = [0.05, 0.1, 0.2];

/** Scores by what was presented, 0 to 1; a presentation without a face has none. */
export class PresentationScores {
  readonly #scores = new Map<string, number[]>();
  readonly #noFace = new Map<string, number>();

  add(name: string, score: number | undefined): void {
    if (score === undefined) this.#noFace.set(name, this.noFace(name) + 1);
    else this.#scores.set(name, [...(this.#scores.get(name) ?? []), score]);
  }

  noFace(name: string): number {
    return this.#noFace.get(name) ?? 0;
  }

  get live(): readonly number[] {
    return this.#scores.get(LIVE) ?? [];
  }

  /** Kinds of attacks with their scores. */
  get species(): readonly (readonly [string, readonly number[]])[] {
    return [...this.#scores].filter(([name]) => name !== LIVE);
  }

  /** Error rates by the terms of ISO/IEC 30107-3, at fixed thresholds and at those that cost a share of the living. */
  rates(): PresentationRates {
    const { live, species } = this;
    const atThreshold = (threshold: number): RatesAtThreshold => ({
      threshold: significant(threshold),
      bpcer: significant(bpcer(live, threshold)),
      worstApcer: significant(Math.max(...species.map(([, attack]) => apcer(attack, threshold)))),
      apcer: Object.fromEntries(species.map(([name, attack]) => [name, significant(apcer(attack, threshold))])),
    });
    return {
      live: { people: live.length, noFace: this.noFace(LIVE), medianScore: significant(median(live)) },
      species: Object.fromEntries(
        species.map(([name, attack]) => [
          name,
          {
            presentations: attack.length,
            noFace: this.noFace(name),
            medianScore: significant(median(attack)),
            areaUnderCurve: significant(areaUnderCurve(live, attack)),
          },
        ]),
      ),
      atThreshold: THRESHOLDS.map(atThreshold),
      atBpcer: BPCERS.map((share) => ({ bpcerWanted: share, ...atThreshold(thresholdAtBpcer(live, share)) })),
    };
  }
}

export interface RatesAtThreshold {
  readonly threshold: number;
  readonly bpcer: number;
  readonly worstApcer: number;
  /** By kind of attack. */
  readonly apcer: Readonly<Record<string, number>>;
}

export interface PresentationRates {
  readonly live: { readonly people: number; readonly noFace: number; readonly medianScore: number };
  readonly species: Readonly<
    Record<
      string,
      {
        readonly presentations: number;
        readonly noFace: number;
        readonly medianScore: number;
        readonly areaUnderCurve: number;
      }
    >
  >;
  readonly atThreshold: readonly RatesAtThreshold[];
  readonly atBpcer: readonly (RatesAtThreshold & { readonly bpcerWanted: number })[];
}

/** All presentations of one person: living, and each attack, as a camera sees them. @param seed of what varies */
export async function presentationsOf(person: Live, seed: number): Promise<ReadonlyMap<string, Frame>> {
  const random = seededRandom(seed);
  const frames = new Map([[LIVE, await seenByCamera(person.frame, random)]]);
  for (const { species, make } of attacks) {
    frames.set(species, await seenByCamera(await make(person, random), random));
  }
  return frames;
}

/** The live score of the face in the middle of a frame, 0 to 1; undefined when none is found. */
export async function liveScoreOf(
  recogniser: Pick<Recogniser, 'detect' | 'liveScores'>,
  frame: Frame,
): Promise<number | undefined> {
  const { faces } = await recogniser.detect(frame, { surroundings: { minimumQuality: 0 } });
  const face = centralFace(faces, frame);
  return face && (await recogniser.liveScores([face])).scores[0];
}
