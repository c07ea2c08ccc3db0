import type { Comparisons } from './comparisons.js';
import { scoreExceededBy } from './score-histogram.js';

/** A point of the receiver operating characteristic; of the DET curve too, whose miss rate is what is left to 1. */
export interface RocPoint {
  readonly falseMatchRate: number;
  /** The share of genuine pairs above the threshold, 0 to 1. */
  readonly trueAcceptRate: number;
  readonly threshold: number;
}

/** Steps of the false-match rate within each power of ten. */
const STEPS = 8;

/**
 * The characteristic over all comparisons, from a false-match rate of 1 down to a single false match, evenly on a
 * logarithmic axis (A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997).
 * Where the kept tail reaches, thresholds are counted; above it they are known to 0.001.
 *
 * @returns rates falling
 */
export function rocCurve({ genuine, impostorTail, impostorPairs, impostorHistogram }: Comparisons): RocPoint[] {
  const rising = genuine.scores.toSorted();
  const points = Math.floor(STEPS * Math.log10(impostorPairs));
  return Array.from({ length: points + 1 }, (_, step) => {
    const falseMatchRate = 10 ** (-step / STEPS);
    const rank = Math.floor(falseMatchRate * impostorPairs);
    const threshold = impostorTail.scores[rank] ?? scoreExceededBy(impostorHistogram, falseMatchRate);
    return { falseMatchRate, trueAcceptRate: shareAbove(rising, threshold), threshold };
  });
}

function shareAbove(rising: Float32Array, threshold: number): number {
  const first = rising.findIndex((score) => score > threshold);
  return first < 0 ? 0 : (rising.length - first) / rising.length;
}
