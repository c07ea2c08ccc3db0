import { AppError } from '@sightline/kernel';

/** One measured threshold: the share `falseMatchRate` of impostor comparisons scored at least `threshold`. */
export interface CalibrationPoint {
  /** In a single comparison; above 0, at most 1. */
  readonly falseMatchRate: number;
  /** Cosine similarity. */
  readonly threshold: number;
}

/**
 * The threshold for a false-match rate, interpolated between the two neighbouring points linearly in the
 * logarithm of the rate: the upper tail of impostor cosines is close to Gaussian, whose quantile is nearly
 * linear in log(rate) over one decade. Outside the measured range nothing is known, so nothing is guessed.
 *
 * The rate is that of one comparison. A search of N people offers N chances of a false match; a rule that
 * corrects for it belongs in the choice of `falseMatchRate`, not here.
 *
 * @param points in any order, at least two, thresholds rising as rates fall
 * @throws AppError `CALIBRATION.INVALID`, `CALIBRATION.RATE_NOT_MEASURED`
 */
export function thresholdAt(points: readonly CalibrationPoint[], falseMatchRate: number): number {
  const rising = [...points].sort((a, b) => a.falseMatchRate - b.falseMatchRate);
  assertUsable(rising);
  const upper = rising.findIndex((point) => point.falseMatchRate >= falseMatchRate);
  const high = rising[upper];
  const low = rising[upper - 1];
  if (high?.falseMatchRate === falseMatchRate) return high.threshold;
  if (!high || !low) throw notMeasured(rising, falseMatchRate);
  const share = Math.log(falseMatchRate / low.falseMatchRate) / Math.log(high.falseMatchRate / low.falseMatchRate);
  return low.threshold + share * (high.threshold - low.threshold);
}

function assertUsable(rising: readonly CalibrationPoint[]): void {
  const sound =
    rising.length >= 2 &&
    rising.every(({ falseMatchRate, threshold }, index) => {
      const before = rising[index - 1];
      const inRange = falseMatchRate > 0 && falseMatchRate <= 1 && threshold >= -1 && threshold <= 1;
      return inRange && (!before || (before.falseMatchRate < falseMatchRate && before.threshold > threshold));
    });
  if (sound) return;
  throw new AppError(
    'CALIBRATION.INVALID',
    'A calibration needs two or more points whose thresholds rise as their false-match rates fall.',
  );
}

function notMeasured(rising: readonly CalibrationPoint[], falseMatchRate: number): AppError {
  const lowest = rising.at(0)?.falseMatchRate ?? 0;
  const highest = rising.at(-1)?.falseMatchRate ?? 0;
  return new AppError(
    'CALIBRATION.RATE_NOT_MEASURED',
    `The false-match rate ${falseMatchRate} lies outside the measured range, ${lowest} to ${highest}.`,
    { details: { falseMatchRate, lowest, highest } },
  );
}
