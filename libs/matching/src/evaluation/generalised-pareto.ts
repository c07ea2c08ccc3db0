/** A tail of scores: how far they exceed a level, as a generalised Pareto distribution. */
export interface ScoreTail {
  readonly level: number;
  /** The share of all scores that lie above the level. */
  readonly share: number;
  readonly shape: number;
  readonly scale: number;
}

/**
 * Fits a tail to the highest scores by probability-weighted moments: Hosking and Wallis, "Parameter and
 * quantile estimation for the generalized Pareto distribution", Technometrics 29 (1987), with the sign of
 * the shape as usual today (negative: the tail ends).
 *
 * @param falling the highest scores, falling; all but the last exceed the level, which is the last
 * @param total the number of scores of which these are the highest
 */
export function fitScoreTail(falling: Float32Array, total: number): ScoreTail {
  const exceedances = falling.length - 1;
  const level = falling[exceedances] ?? 0;
  let mean = 0;
  let weighted = 0; // by the estimated probability of something greater
  for (let rank = 0; rank < exceedances; rank++) {
    const excess = (falling[rank] ?? level) - level;
    mean += excess / exceedances;
    weighted += (excess * (rank + 0.35)) / exceedances ** 2;
  }
  const difference = mean - 2 * weighted;
  return {
    level,
    share: exceedances / total,
    shape: 2 - mean / difference,
    scale: (2 * mean * weighted) / difference,
  };
}

/** The score that `rate` of all scores exceed; `rate` at most the tail's share. */
export function tailQuantile({ level, share, shape, scale }: ScoreTail, rate: number): number {
  const ratio = share / rate;
  if (Math.abs(shape) < 1e-9) return level + scale * Math.log(ratio);
  return level + (scale / shape) * (ratio ** shape - 1);
}
