/** Batches in flight that a box is granted while cloud-api keeps up. */
const WIDEST = 4;
/** Batches that wait for each one that the window is narrowed by. */
const STEP = 64;

/**
 * How many batches a box may have in flight, by how many of the fleet's wait here: 4 down to 1. What waits longer waits
 * on the boxes, which have disks for it.
 *
 * @param waiting batches that were received and are not committed
 */
export function windowFor(waiting: number): number {
  return Math.max(1, WIDEST - Math.floor(waiting / STEP));
}
