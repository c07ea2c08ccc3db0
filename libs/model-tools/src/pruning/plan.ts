import type { Elimination } from './elimination.js';
import type { PrunableSpace, WeightBytes } from './prunable-space.js';

/** What is known of a space before it is decided how much of it goes. */
export interface SpaceCosts {
  readonly space: PrunableSpace;
  readonly elimination: Elimination;
  /** 1 − mean cosine of the model's answer with the elimination's trial. */
  readonly harm: number;
}

/**
 * How many channels each space shall keep so that the weights take at most `bytes`: block by block, always the one
 * that does the least harm for the bytes that it saves. Harm is taken to grow in a space as its lost energy does,
 * and to add up over spaces. Undefined when even the smallest counts take more.
 */
export function planOf(
  costs: readonly SpaceCosts[],
  weights: WeightBytes,
  bytes: number,
): readonly number[] | undefined {
  const steps = costs.map(() => 0);
  const countsOf = (at: readonly number[]): readonly number[] =>
    costs.map(({ space }, index) => space.counts[at[index] ?? 0] ?? space.space.channels);
  for (let size = weights.of(countsOf(steps)); size > bytes; size = weights.of(countsOf(steps))) {
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    costs.forEach((cost, index) => {
      const step = steps[index] ?? 0;
      if (step + 1 >= cost.space.counts.length) return;
      const saved = size - weights.of(countsOf(steps.with(index, step + 1)));
      const price = (harmAt(cost, step + 1) - harmAt(cost, step)) / saved;
      if (price < least) [best, least] = [index, price];
    });
    if (best < 0) return undefined;
    steps[best] = (steps[best] ?? 0) + 1;
  }
  return countsOf(steps);
}

function harmAt({ space, elimination, harm }: SpaceCosts, step: number): number {
  const { losses, trial } = elimination;
  const removed = space.space.channels - (space.counts[step] ?? space.space.channels);
  const tried = losses[trial.removed - 1] ?? 0;
  if (removed === 0) return 0;
  return harm * (tried > 0 ? (losses[removed - 1] ?? 0) / tried : removed / trial.removed);
}
