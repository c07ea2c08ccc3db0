/** Batches in flight that a box is granted while cloud-api keeps up. */
const WIDEST = 4;
/** Time that a batch spent here for each one that the window is narrowed by, ms: a box sends again after 5 s and more. */
const STEP_MS = 1000;

/**
 * How many batches a box may have in flight, by how long its last one took: 4 down to 1. What waits longer waits on the
 * boxes, which have disks for it. The time says what no number of batches does: they differ a hundredfold in records,
 * and it grows for a slow gallery as for a slow database.
 *
 * @param tookMs from the batch's arrival to its commit, ms
 */
export function windowFor(tookMs: number): number {
  return Math.max(1, WIDEST - Math.floor(Math.max(0, tookMs) / STEP_MS));
}
