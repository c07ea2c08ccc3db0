import type { rest } from '@sightline/contracts';
import type { PersonId, TemplateId } from '@sightline/kernel';
import type { OpenSetRuleResult } from '@sightline/matching';

/**
 * What a decision rests on, as stored. Names are short: there is one for each revision of each sighting. Nobody is
 * named in it: people are in the candidates alone, which an erasure reaches.
 */
export interface DecisionFacts {
  readonly use: rest.DecisionUse;
  readonly policy: number;
  readonly site?: string;
  readonly groups?: readonly string[];
  /** Templates searched, N. */
  readonly n: number;
  /** False-match rate of one comparison that was wanted; the one that the threshold stands for is a column. */
  readonly fmr: number;
  /** Of the search, if one was asked for. */
  readonly fpir?: number;
  /** The calibration was not measured that far. */
  readonly limited?: true;
  /** What a recalibration of the site has added to the threshold. */
  readonly offset?: number;
  readonly release: string;
  readonly space: string;
  /** Of the calibration. */
  readonly variant: string;
  /** Of the probe; absent where it is the calibration's, null where there was no probe. */
  readonly probeVariant?: string | null;
  /** Those that were asked: name, whether passed, required, found. */
  readonly rules: readonly (readonly [OpenSetRuleResult['rule'], boolean, (number | null)?, (number | null)?])[];
}

/** Somebody near the bar, as stored. */
export interface StoredCandidate {
  readonly p: PersonId;
  readonly t: TemplateId;
  readonly s: number;
  /** Of the nearest hard negative. */
  readonly n?: number;
  /** Not the one by the threshold, by hard negatives, or by the margin: one of two. */
  readonly f?: 't' | 'h' | 'm';
}
