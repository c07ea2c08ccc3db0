import { create } from '@bufbuild/protobuf';
import {
  IdentificationOutcome,
  LocalDecisionSchema,
  type Identification,
  type LocalDecision,
} from '@sightline/contracts';
import { isAppError, type Logger, type PersonId } from '@sightline/kernel';
import {
  AMBIGUITY_MARGIN,
  decideOpenSet,
  searchPoint,
  type CalibrationPoint,
  type OperatingPoint,
  type ScoredPerson,
} from '@sightline/matching';
import { decodeTemplate, poolTemplates, type Template } from '@sightline/template-protection';

import type { CacheContent } from './cache-content.js';
import { DecisionMemory, type ComparisonCounts } from './decision-memory.js';

/** One revision of a sighting, with the templates of its best shots. */
export interface LocalProbe {
  readonly sightingId: string;
  readonly revision: number;
  readonly templates: readonly Template[];
}

export interface MatchCounts extends ComparisonCounts {
  readonly identified: number;
  readonly unknown: number;
  /** Not looked up: the lease did not hold. */
  readonly withoutLease: number;
  /** Not looked up: the cache holds templates of another model space or key. */
  readonly foreign: number;
}

type OwnCounts = Omit<MatchCounts, keyof ComparisonCounts>;

export interface LocalMatcherOptions {
  readonly content: CacheContent;
  /** What the release that runs was calibrated to; undefined while none runs. */
  readonly calibration: () => readonly CalibrationPoint[] | undefined;
  /** Of one comparison, at most. */
  readonly falseMatchRate: number;
  /** FPIR: of a search of the whole cache, at most. */
  readonly falsePositiveRate: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

const OUTCOMES = {
  identified: IdentificationOutcome.IDENTIFIED,
  unknown: IdentificationOutcome.UNKNOWN,
} as const;

/** Decides by the people of the local cache, and keeps score against the cloud. */
export class LocalMatcher {
  readonly #options: LocalMatcherOptions;
  readonly #memory = new DecisionMemory();
  #counts: OwnCounts = { identified: 0, unknown: 0, withoutLease: 0, foreign: 0 };
  /** The bar for a release and a number of templates. */
  #calibrated:
    | {
        readonly points: readonly CalibrationPoint[];
        readonly templates: number;
        readonly at: OperatingPoint | undefined;
      }
    | undefined;

  constructor(options: LocalMatcherOptions) {
    this.#options = options;
  }

  get counts(): MatchCounts {
    return { ...this.#counts, ...this.#memory.counts };
  }

  /** Whether the cache may be matched against now. */
  get leaseHolds(): boolean {
    const { content, nowMs } = this.#options;
    const { lease } = content.head;
    return lease !== null && nowMs() < lease.expiresAtMs;
  }

  /**
   * Open-set identification among the people of the cache, by the sighting's pooled shots, at the threshold that the
   * release states for the false-match rates, with the cache's size: the rule by which the cloud decides among all. Never throws; takes part of
   * a millisecond of the calling thread.
   *
   * @returns undefined where there is nothing that may be compared with, or two people cannot be told apart
   */
  decide({ sightingId, revision, templates }: LocalProbe): LocalDecision | undefined {
    try {
      const decision = this.#decide(templates);
      if (!decision) return undefined;
      const personId =
        decision.outcome === IdentificationOutcome.IDENTIFIED ? (decision.personId as PersonId) : undefined;
      this.#memory.decided({ sightingId, revision }, personId);
      this.#count(personId === undefined ? 'unknown' : 'identified');
      return decision;
    } catch (error) {
      const code = isAppError(error) ? error.code : 'CACHE.MATCH_FAILED';
      this.#options.log.error({ code, sightingId }, 'a sighting could not be looked up in the local cache');
      return undefined;
    }
  }

  /** Takes what the cloud has decided: it wins, and where the box had named somebody else that person is marked. */
  answered(answer: Identification): void {
    const { content, log } = this.#options;
    const wronglyNamed = this.#memory.answered(answer, (personId) => content.people?.has(personId) ?? false);
    if (wronglyNamed === undefined) return;
    try {
      const times = content.contradict(wronglyNamed);
      const { sightingId } = answer;
      log.warn(
        { code: 'CACHE.CONTRADICTED', sightingId, personId: wronglyNamed, times },
        'the cloud decided otherwise',
      );
    } catch (error) {
      log.error({ code: isAppError(error) ? error.code : 'CACHE.UNAVAILABLE' }, 'a contradiction was not written down');
    }
  }

  #decide(templates: readonly Template[]): LocalDecision | undefined {
    const { content } = this.#options;
    const [first] = templates;
    const { people } = content;
    const operatingPoint = this.#operatingPoint(people?.templates ?? 0);
    if (!first || !people || people.people === 0 || !operatingPoint) return undefined;
    const { spaceId, keyId, dimension } = people.belonging;
    const isOurs = first.spaceId === spaceId && first.keyId === keyId && first.dimension === dimension;
    if (!isOurs || !this.leaseHolds) {
      this.#count(isOurs ? 'withoutLease' : 'foreign');
      return undefined;
    }
    // Whoever is below the bar is nobody, however many are as near.
    const near = people.near(decodeTemplate(poolTemplates(templates)), AMBIGUITY_MARGIN, operatingPoint.threshold);
    return this.#decision(near, operatingPoint);
  }

  /** Where two people are too close together the box leaves it to the cloud. */
  #decision(candidates: readonly ScoredPerson[], operatingPoint: OperatingPoint): LocalDecision | undefined {
    const [nearest] = candidates;
    const { cacheId, version } = this.#options.content.head;
    const decision = decideOpenSet({ ...operatingPoint, candidates, margin: AMBIGUITY_MARGIN });
    if (nearest === undefined) return undefined;
    if (decision.outcome !== 'identified' && decision.outcome !== 'unknown') return undefined;
    return create(LocalDecisionSchema, {
      ...operatingPoint,
      outcome: OUTCOMES[decision.outcome],
      personId: decision.outcome === 'identified' ? decision.personId : '',
      score: nearest.score,
      cacheId,
      cacheVersion: BigInt(version),
    });
  }

  /** Undefined, and said once for a release, where its calibration is none. */
  #operatingPoint(templates: number): OperatingPoint | undefined {
    const { calibration, falseMatchRate, falsePositiveRate, log } = this.#options;
    const points = calibration();
    if (!points) return undefined;
    if (this.#calibrated?.points !== points || this.#calibrated.templates !== templates) {
      const isKnown = this.#calibrated?.points === points;
      this.#calibrated = { points, templates, at: undefined };
      try {
        const bar = searchPoint(points, { falseMatchRate, falsePositiveRate }, templates);
        this.#calibrated = { points, templates, at: { threshold: bar.threshold, falseMatchRate: bar.falseMatchRate } };
      } catch (error) {
        const code = isAppError(error) ? error.code : 'CALIBRATION.INVALID';
        if (!isKnown)
          log.error({ code, falseMatchRate }, 'the release states no threshold: nothing is matched on the box');
      }
    }
    return this.#calibrated.at;
  }

  #count(kind: keyof OwnCounts): void {
    this.#counts = { ...this.#counts, [kind]: this.#counts[kind] + 1 };
  }
}
