import { binomialBounds, trialsForRate } from './binomial-bounds.js';
import { countOf } from './operating-points.js';
import type { SiteScores } from './site-scores.js';

/** A rate with an interval: each bound alone holds with 95 % confidence. */
export interface EstimatedRate {
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  /** How many there were, unweighted, of how many. */
  readonly events: number;
  readonly trials: number;
  /** Independent trials that they are worth. */
  readonly effectiveTrials: number;
}

export interface SitePoint {
  readonly threshold: number;
  readonly falseMatch: EstimatedRate;
  readonly falseNonMatch: EstimatedRate;
}

export interface SiteEvaluationOptions {
  /** Samples of the bootstrap, from 1. */
  readonly samples: number;
  /** A whole number from 0 to below its argument. */
  readonly random: (below: number) => number;
}

/**
 * False matches and false non-matches of a site at a threshold. The interval is the wider of two: percentiles of a
 * bootstrap over people, each of whom is drawn with all probes and templates (R. Bolle, N. Ratha, S. Pankanti, "Error
 * analysis of pattern recognition systems: the subsets bootstrap", 2004), which knows how much people differ, and the
 * exact one for as many trials as there are pairs of people, or people, which also holds where no error was seen.
 *
 * @throws never; without any genuine probe the false non-match rate has the interval 0 to 1
 */
export function evaluateAt(scores: SiteScores, threshold: number, options: SiteEvaluationOptions): SitePoint {
  const drawn = Array.from({ length: options.samples }, () => drawPeople(scores, options.random));
  return {
    threshold,
    falseMatch: falseMatchesAt(scores, threshold, drawn),
    falseNonMatch: falseNonMatchesAt(scores, threshold, drawn),
  };
}

/**
 * The lowest threshold whose false-match rate is below the wanted one with 95 % confidence on these pairs of people;
 * undefined where there are too few pairs to say so of any: see `trialsForRate`.
 */
export function thresholdFor(scores: SiteScores, wantedRate: number, floor: number): number | undefined {
  const { impostorTail, comparisons, pairs } = scores;
  if (pairs < trialsForRate(wantedRate)) return undefined;
  const isKept = (matches: number): boolean => binomialBounds(matches / comparisons, pairs).high <= wantedRate;
  let [low, high] = [0, impostorTail.scores.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isKept(middle)) low = middle;
    else high = middle - 1;
  }
  const next = impostorTail.scores[low];
  // Scores that reach a threshold match: it lies above the first that must not.
  return next === undefined ? floor : Math.ceil((next + 1e-6) * 1e4) / 1e4;
}

/** How often each person is drawn, with replacement, of all that have a probe or a template. */
function drawPeople({ probesOf, templatesOf }: SiteScores, random: (below: number) => number): Int32Array {
  const present = [...probesOf.keys()].filter((person) => (probesOf[person] ?? 0) + (templatesOf[person] ?? 0) > 0);
  const weights = new Int32Array(probesOf.length);
  present.forEach(() => {
    const person = present[random(present.length)] ?? 0;
    weights[person] = (weights[person] ?? 0) + 1;
  });
  return weights;
}

function falseMatchesAt(scores: SiteScores, threshold: number, drawn: readonly Int32Array[]): EstimatedRate {
  const { impostorTail, comparisons, pairs } = scores;
  const below = impostorTail.scores.findIndex((score) => score < threshold);
  const events = below < 0 ? impostorTail.scores.length : below;
  const rates = drawn.map((weights) => {
    let matches = 0;
    for (let at = 0; at < events; at += 1) matches += countOf(impostorTail, at, weights);
    return matches / Math.max(1, weightedComparisons(scores, weights));
  });
  const rate = events / Math.max(1, comparisons);
  return estimated({ rate, events, trials: comparisons, effectiveTrials: pairs }, rates);
}

/** Comparisons of two people when each counts as often as they were drawn. */
function weightedComparisons({ probesOf, templatesOf }: SiteScores, weights: Int32Array): number {
  const templates = templatesOf.reduce((sum, count, person) => sum + count * (weights[person] ?? 0), 0);
  return probesOf.reduce((sum, probes, person) => {
    const weight = weights[person] ?? 0;
    return sum + weight * probes * (templates - weight * (templatesOf[person] ?? 0));
  }, 0);
}

function falseNonMatchesAt({ genuine }: SiteScores, threshold: number, drawn: readonly Int32Array[]): EstimatedRate {
  const rateWith = (countOfPerson: (person: number) => number): number => {
    let [missed, all] = [0, 0];
    for (const { person, weight, score } of genuine) {
      const counted = weight * countOfPerson(person);
      all += counted;
      if (score < threshold) missed += counted;
    }
    return all === 0 ? 0 : missed / all;
  };
  const events = genuine.filter(({ score }) => score < threshold).length;
  const ofPeople = new Map<number, number>();
  for (const { person, weight } of genuine) ofPeople.set(person, (ofPeople.get(person) ?? 0) + weight);
  const effectiveTrials = effectiveSize([...ofPeople.values()]);
  const rates = drawn.map((weights) => rateWith((person) => weights[person] ?? 0));
  return estimated({ rate: rateWith(() => 1), events, trials: genuine.length, effectiveTrials }, rates);
}

/** Of people whose probes stand for more or less: (Σw)² / Σw² (L. Kish, "Survey Sampling", 1965). */
function effectiveSize(weights: readonly number[]): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const squares = weights.reduce((total, weight) => total + weight ** 2, 0);
  return squares === 0 ? 0 : sum ** 2 / squares;
}

function estimated(observed: Omit<EstimatedRate, 'low' | 'high'>, rates: readonly number[]): EstimatedRate {
  const { rate, effectiveTrials } = observed;
  if (effectiveTrials === 0) return { ...observed, low: 0, high: 1 };
  const rising = rates.toSorted((a, b) => a - b);
  const percentile = (share: number): number => rising[Math.round(share * (rising.length - 1))] ?? rate;
  const exact = binomialBounds(rate, effectiveTrials);
  return {
    ...observed,
    low: Math.min(rate, exact.low, percentile(0.05)),
    high: Math.max(rate, exact.high, percentile(0.95)),
  };
}
