import { sum, usedBins, type BinCounts } from './population-stability.js';

/** The largest difference of two distribution functions, and how often chance alone makes one as large. */
export interface KolmogorovSmirnov {
  /** 0 to 1. */
  readonly statistic: number;
  /** 0 to 1. */
  readonly pValue: number;
}

/** Beyond this the terms of the series change no digit. */
const TERMS = 100;

/**
 * The two-sample test of Kolmogorov and Smirnov on histograms: the distribution functions are known at the borders of the
 * bins alone. So the statistic is at most that of the samples themselves, and the p-value at least theirs: binned, the
 * test is conservative (G. Noether, "Note on the Kolmogorov statistic in the discrete case", Metrika 7, 1963).
 *
 * The p-value is the asymptotic one, 2 Σ (−1)^(k−1) exp(−2 k² λ²) with λ = D √(nm / (n + m)): N. Smirnov, "Table for
 * estimating the goodness of fit of empirical distributions", Annals of Mathematical Statistics 19, 1948.
 *
 * @throws AppError `DRIFT.INVALID` for histograms of different bins, or without samples
 */
export function kolmogorovSmirnov(baseline: BinCounts, recent: BinCounts): KolmogorovSmirnov {
  const [n, m] = [sum(baseline), sum(recent)];
  let [below, belowToo, statistic] = [0, 0, 0];
  for (const [one, other] of usedBins(baseline, recent)) {
    below += one;
    belowToo += other;
    statistic = Math.max(statistic, Math.abs(below / n - belowToo / m));
  }
  return { statistic, pValue: exceedance(statistic * Math.sqrt((n * m) / (n + m))) };
}

function exceedance(lambda: number): number {
  // Below, the series has not converged after its terms, and the probability is 1 to twelve digits.
  if (lambda < 0.15) return 1;
  let total = 0;
  for (let term = 1; term <= TERMS; term += 1) {
    total += (term % 2 === 1 ? 2 : -2) * Math.exp(-2 * term ** 2 * lambda ** 2);
  }
  return Math.min(1, Math.max(0, total));
}
