import { AppError } from '@sightline/kernel';

/** Counts of a histogram, bin by bin. */
export type BinCounts = readonly number[];

/**
 * The population stability index of two histograms: Σ (p − q) · ln(p / q) over the bins, which is the symmetric
 * Kullback–Leibler divergence (Jeffreys). By convention below 0.1 nothing has changed, and above 0.25 much has:
 * E. M. Lewis, "An Introduction to Credit Scoring", 1994; N. Siddiqi, "Credit Risk Scorecards", Wiley 2006.
 *
 * Rule for empty bins: a bin that is empty in both counts for nothing and is left out. To each of the others half a
 * sample is added on both sides (Krichevsky and Trofimov, 1981): a bin that is empty on one side says something, but
 * never infinitely much, and less the fewer samples there are.
 *
 * @returns from 0; the same whichever comes first
 * @throws AppError `DRIFT.INVALID` for histograms of different bins, or without samples
 */
export function populationStabilityIndex(baseline: BinCounts, recent: BinCounts): number {
  const pairs = usedBins(baseline, recent);
  const smoothed = (counts: readonly number[]): readonly number[] => {
    const total = sum(counts) + counts.length / 2;
    return counts.map((count) => (count + 0.5) / total);
  };
  const expected = smoothed(pairs.map(([one]) => one));
  const actual = smoothed(pairs.map(([, other]) => other));
  return sum(expected.map((p, bin) => (p - (actual[bin] ?? p)) * Math.log(p / (actual[bin] ?? p))));
}

/**
 * What the index reaches by chance alone, where both histograms are samples of one distribution: then it is close to
 * (1/n + 1/m) · χ² with one degree of freedom less than bins (B. Yurdakul and J. Naranjo, "Statistical properties of
 * the population stability index", Journal of Risk Model Validation 14, 2020). The quantile of χ² is that of Wilson and
 * Hilferty, 1931.
 *
 * @param standardScore of the quantile: 1.645 for 95 %, 3.09 for 99.9 %
 * @throws AppError `DRIFT.INVALID` as above
 */
export function stabilityNoise(baseline: BinCounts, recent: BinCounts, standardScore: number): number {
  const degrees = usedBins(baseline, recent).length - 1;
  if (degrees < 1) return 0;
  const spread = 2 / (9 * degrees);
  const quantile = degrees * (1 - spread + standardScore * Math.sqrt(spread)) ** 3;
  return quantile * (1 / sum(baseline) + 1 / sum(recent));
}

/**
 * Checks two histograms.
 *
 * @returns the bins that hold anything on either side
 * @throws AppError `DRIFT.INVALID`
 */
export function usedBins(baseline: BinCounts, recent: BinCounts): readonly (readonly [number, number])[] {
  const isCounts = (counts: BinCounts): boolean => counts.every((count) => count >= 0) && sum(counts) > 0;
  if (baseline.length !== recent.length || !isCounts(baseline) || !isCounts(recent)) {
    throw new AppError('DRIFT.INVALID', 'Two histograms of the same bins are compared, each with samples.');
  }
  return baseline.map((count, bin) => [count, recent[bin] ?? 0] as const).filter(([one, other]) => one + other > 0);
}

/** Samples of a histogram. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
