/** Bins over the scores from -1 to 1, each 0.001 wide. */
const BINS = 2000;

/** Counts of scores from -1 to 1 in 2,000 bins of one width. */
export type ScoreHistogram = Uint32Array;

export function emptyScoreHistogram(): ScoreHistogram {
  return new Uint32Array(BINS);
}

/** Counts one score; what rounding has put outside counts in the outermost bins. */
export function countScore(histogram: ScoreHistogram, score: number): void {
  const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((score + 1) * BINS) / 2)));
  histogram[bin] = (histogram[bin] ?? 0) + 1;
}

export function scoreHistogram(scores: Iterable<number>): ScoreHistogram {
  const histogram = emptyScoreHistogram();
  for (const score of scores) countScore(histogram, score);
  return histogram;
}

/** Neighbouring bins put together. @param bins how many are left: a divisor of 2,000 */
export function coarser(histogram: ScoreHistogram, bins: number): number[] {
  const width = BINS / bins;
  return Array.from({ length: bins }, (_, bin) =>
    histogram.subarray(bin * width, (bin + 1) * width).reduce((sum, count) => sum + count, 0),
  );
}

/** The lower bound of the bin that a share of the scores lies above: the score of a rate, but for 0.001. */
export function scoreExceededBy(histogram: ScoreHistogram, share: number): number {
  const wanted = share * histogram.reduce((sum, count) => sum + count, 0);
  let above = 0;
  const fromTop = histogram.toReversed().findIndex((count) => (above += count) >= wanted);
  return fromTop < 0 ? -1 : 1 - ((fromTop + 1) * 2) / BINS;
}
