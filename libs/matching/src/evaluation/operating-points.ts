import { countImpostorPairs, type Comparisons, type ImpostorScores } from './comparisons.js';
import { fitScoreTail, tailQuantile } from './generalised-pareto.js';

/** Fewer false matches than this are too few to count: the threshold comes from a tail that is fitted. */
export const LEAST_FALSE_MATCHES = 30;
/** A fitted tail rests on this many of the highest scores, or on a tenth of those that were kept. */
const FITTED_SCORES = 2000;

/** A threshold, and what it rests on. */
export interface RatedThreshold {
  readonly falseMatchRate: number;
  /** Scores above it match. */
  readonly threshold: number;
  /** Impostor pairs above the threshold, of `impostorPairs`. */
  readonly falseMatches: number;
  readonly impostorPairs: number;
  /** Whether the threshold was fitted rather than counted. */
  readonly fitted: boolean;
}

/**
 * The threshold that a share of the impostor pairs exceeds.
 *
 * @param falling the highest impostor scores, falling; they must reach down to the rate
 * @param impostorPairs of which they are the highest
 */
export function thresholdOf(falling: Float32Array, impostorPairs: number, falseMatchRate: number): RatedThreshold {
  const expected = Math.floor(falseMatchRate * impostorPairs);
  const fitted = expected < LEAST_FALSE_MATCHES;
  const size = Math.min(FITTED_SCORES, Math.ceil(falling.length / 10));
  const threshold = fitted
    ? tailQuantile(fitScoreTail(falling.subarray(0, size + 1), impostorPairs), falseMatchRate)
    : (falling[expected] ?? -1);
  const below = falling.findIndex((score) => score <= threshold);
  return { falseMatchRate, threshold, falseMatches: below < 0 ? falling.length : below, impostorPairs, fitted };
}

export interface CrossValidatedPoint {
  readonly falseMatchRate: number;
  /** The share of genuine pairs above the thresholds, 0 to 1. */
  readonly trueAcceptRate: number;
  /** What the thresholds led to between people of the folds that they were applied to. */
  readonly observed: { readonly falseMatches: number; readonly impostorPairs: number };
  readonly folds: readonly (RatedThreshold & { readonly fold: number })[];
}

/**
 * True accept rates where each fold is judged at the threshold that the impostor pairs among all other
 * folds give.
 *
 * @param foldOfIdentity the fold of each identity
 */
export function crossValidated(
  comparisons: Comparisons,
  foldOfIdentity: readonly number[],
  falseMatchRates: readonly number[],
): CrossValidatedPoint[] {
  const numbers = [...new Set(foldOfIdentity)].sort((a, b) => a - b);
  const folds = numbers.map((fold) => ({
    fold,
    others: impostorsOf(comparisons, (identity) => foldOfIdentity[identity] !== fold),
    own: impostorsOf(comparisons, (identity) => foldOfIdentity[identity] === fold),
    genuine: comparisons.genuine.scores.filter(
      (_, at) => foldOfIdentity[comparisons.genuine.identities[at] ?? 0] === fold,
    ),
  }));
  return falseMatchRates.map((falseMatchRate) => {
    const rated = folds.map(({ others, own, genuine, fold }) => {
      const point = thresholdOf(others.falling, others.pairs, falseMatchRate);
      const above = (score: number): boolean => score > point.threshold;
      return { fold, point, accepted: genuine.filter(above).length, wrong: own.falling.filter(above).length, own };
    });
    return {
      falseMatchRate,
      trueAcceptRate: sum(rated.map(({ accepted }) => accepted)) / comparisons.genuine.scores.length,
      observed: {
        falseMatches: sum(rated.map(({ wrong }) => wrong)),
        impostorPairs: sum(rated.map(({ own }) => own.pairs)),
      },
      folds: rated.map(({ fold, point }) => ({ ...point, fold })),
    };
  });
}

/** The impostor pairs both of whose identities are chosen. */
function impostorsOf(
  { impostorTail, imagesOfIdentity }: Comparisons,
  chosen: (identity: number) => boolean,
): { readonly falling: Float32Array; readonly pairs: number } {
  const weights = imagesOfIdentity.map((_, identity) => Number(chosen(identity)));
  return {
    falling: impostorTail.scores.filter((_, at) => countOf(impostorTail, at, weights) > 0),
    pairs: countImpostorPairs(imagesOfIdentity, weights),
  };
}

/** How often a pair of the tail counts when its identities count as often as `weights` says. */
export function countOf({ one, other }: ImpostorScores, at: number, weights: Int32Array): number {
  return (weights[one[at] ?? 0] ?? 0) * (weights[other[at] ?? 0] ?? 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
