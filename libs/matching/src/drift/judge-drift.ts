import { kolmogorovSmirnov } from './kolmogorov-smirnov.js';
import { populationStabilityIndex, stabilityNoise, sum, type BinCounts } from './population-stability.js';

/** When two histograms count as different. */
export interface DriftRules {
  /** Fewer samples on either side say nothing, from 1. */
  readonly minimumSamples: number;
  /** The stability index from which on a change is large. */
  readonly alertIndex: number;
  /** The index below which nothing has changed; at most `alertIndex`. */
  readonly clearIndex: number;
  /** The p-value below which a difference is no chance, above 0 and below 1. */
  readonly significance: number;
}

/** `too-few`: nothing is said. `unclear`: neither as before nor different; an episode that is open stays open. */
export type DriftVerdict = 'too-few' | 'stable' | 'unclear' | 'drifted';

export interface DriftFigures {
  readonly verdict: DriftVerdict;
  readonly baselineSamples: number;
  readonly samples: number;
  /** The population stability index, and what it had to reach; null where a side has no samples. */
  readonly index: number | null;
  readonly alertIndex: number | null;
  /** Of Kolmogorov and Smirnov. */
  readonly statistic: number | null;
  readonly pValue: number | null;
}

/** Standard scores of 99.9 % and of 95 %. */
const RARE = 3.0902;
const USUAL = 1.6449;

/**
 * Compares the recent samples with the baseline. A difference must be large and significant: with few samples the index
 * is large by chance, with many every difference is significant. So the bar of the index is the convention's, or what
 * chance reaches in one of a thousand comparisons of so few samples, whichever is higher; and the test has to agree.
 *
 * @throws AppError `DRIFT.INVALID` for histograms of different bins
 */
export function judgeDrift(baseline: BinCounts, recent: BinCounts, rules: DriftRules): DriftFigures {
  const samples = { baselineSamples: sum(baseline), samples: sum(recent) };
  if (Math.min(samples.baselineSamples, samples.samples) < Math.max(1, rules.minimumSamples)) {
    return { verdict: 'too-few', ...samples, index: null, alertIndex: null, statistic: null, pValue: null };
  }
  const index = populationStabilityIndex(baseline, recent);
  const { statistic, pValue } = kolmogorovSmirnov(baseline, recent);
  const alertIndex = Math.max(rules.alertIndex, stabilityNoise(baseline, recent, RARE));
  const clearIndex = Math.max(rules.clearIndex, stabilityNoise(baseline, recent, USUAL));
  const isSignificant = pValue < rules.significance;
  const settled: DriftVerdict = index < Math.min(clearIndex, alertIndex) || !isSignificant ? 'stable' : 'unclear';
  return {
    verdict: index >= alertIndex && isSignificant ? 'drifted' : settled,
    ...samples,
    ...{ index, alertIndex, statistic, pValue },
  };
}

/**
 * Whether a camera drifts after a comparison of all that is watched of it: from the first measure that has drifted, until
 * every one of which anything can be said is as before.
 */
export function driftsAfter(drifted: boolean, verdicts: readonly DriftVerdict[]): boolean {
  if (verdicts.includes('drifted')) return true;
  const said = verdicts.filter((verdict) => verdict !== 'too-few');
  return drifted && (said.length === 0 || said.includes('unclear'));
}
