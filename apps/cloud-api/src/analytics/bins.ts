/**
 * Bins of a histogram: the first holds everything below `edges[0]`, the last everything from the last edge on, and each
 * between them what is from one edge (inclusive) to the next.
 */
export interface Bins {
  readonly edges: readonly number[];
}

const evenly = (count: number): readonly number[] =>
  Array.from({ length: count - 1 }, (_, index) => (index + 1) / count);

// What is stored was counted by these: they never change. Another resolution would be another column.

/** Cosines of the nearest person, in steps of 0.04; those below 0.04, negative ones too, are together. */
export const SCORE_BINS: Bins = { edges: evenly(25) };
/** Quality of the best shot, 0 to 1, in steps of 0.05. */
export const QUALITY_BINS: Bins = { edges: evenly(20) };
/** How long somebody was in view, from first to last sight, seconds. */
export const DWELL_BINS: Bins = { edges: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800] };

export const binsOf = ({ edges }: Bins): number => edges.length + 1;

/**
 * Estimates a quantile from a histogram, linear within the bin.
 *
 * @param share 0 to 1
 * @param from where the first bin begins
 * @returns undefined where nothing was counted; the last edge for what lies in the open last bin
 */
export function quantile({ edges }: Bins, counts: readonly number[], share: number, from = 0): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [index, count] of counts.entries()) {
    const [low = from, high] = [edges[index - 1], edges[index]];
    if (high === undefined) return low;
    if (count > 0 && below + count >= share * total) return low + ((high - low) * (share * total - below)) / count;
    below += count;
  }
  return edges.at(-1);
}
