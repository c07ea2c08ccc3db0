/** Sequences that are accounted for, both ends included. */
export interface SequenceRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The highest sequence up to which everything is accounted for.
 *
 * @param committedThrough where it stood; 0: nothing
 * @param ranges in any order, overlapping or not; ranges below are ignored
 */
export function advanceWatermark(committedThrough: number, ranges: readonly SequenceRange[]): number {
  let through = committedThrough;
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    if (first > through + 1) break;
    through = Math.max(through, last);
  }
  return through;
}
