import { thresholdAt, type CalibrationPoint } from './calibration.js';
import type { OperatingPoint } from './open-set.js';
import { comparisonRateFor } from './search-rate.js';

/** How seldom a stranger may be taken for somebody. The stricter of the two counts. */
export interface FalseMatchTarget {
  /** The most that one comparison may have, above 0 and below 1. */
  readonly falseMatchRate: number;
  /** FPIR: the most that one search of the whole gallery may have. Undefined: the size of the gallery changes nothing. */
  readonly falsePositiveRate?: number | undefined;
  /** What a calibration turned out to be off by where the search is made, a difference of cosines. Default: 0. */
  readonly offset?: number | undefined;
}

/** The bar of one search, and whether it is as high as its target asks. */
export interface SearchPoint extends OperatingPoint {
  /** The false-match rate of one comparison that the target asks for. `falseMatchRate` is what the threshold stands for. */
  readonly wantedFalseMatchRate: number;
  /** Whether the calibration was not measured that far, so that the nearest measured threshold stands in. */
  readonly calibrationLimited: boolean;
  /** What was added to the calibrated threshold. */
  readonly calibrationOffset: number;
}

/**
 * The threshold for a target in a gallery of a size. Beyond what the calibration was measured at nothing is
 * extrapolated: the threshold at the end of the range is taken, and the point says so.
 *
 * @param points as `thresholdAt` takes them
 * @param comparisons templates that the search compares with
 * @throws AppError `CALIBRATION.INVALID`
 */
export function searchPoint(
  points: readonly CalibrationPoint[],
  { falseMatchRate, falsePositiveRate, offset = 0 }: FalseMatchTarget,
  comparisons: number,
): SearchPoint {
  const corrected = falsePositiveRate === undefined ? 1 : comparisonRateFor(falsePositiveRate, comparisons);
  const wanted = Math.min(falseMatchRate, corrected);
  const rates = points.map((point) => point.falseMatchRate);
  const measured = Math.min(Math.max(wanted, Math.min(...rates)), Math.max(...rates));
  return {
    threshold: Math.min(1, Math.max(-1, thresholdAt(points, measured) + offset)),
    falseMatchRate: measured,
    wantedFalseMatchRate: wanted,
    calibrationLimited: measured !== wanted,
    calibrationOffset: offset,
  };
}
