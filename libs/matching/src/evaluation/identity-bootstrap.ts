import { countImpostorPairs, type Comparisons } from './comparisons.js';
import { countOf } from './operating-points.js';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  readonly falseMatchRate: number;
  readonly samples: number;
  /** A whole number from 0 to below its argument. */
  readonly random: (below: number) => number;
}

/**
 * A 95 % interval of the true accept rate at a false-match rate: percentiles over samples of the identities,
 * drawn with replacement. Pairs of images are no independent samples, people are. An identity drawn n times
 * has its genuine pairs counted n times, and its impostor pairs with another n times that one's; the
 * threshold of each sample is its own (Bolle, Ratha, Pankanti, "Error analysis of pattern recognition
 * systems: the subsets bootstrap", 2004).
 */
export function trueAcceptInterval(comparisons: Comparisons, options: BootstrapOptions): Interval {
  const { falseMatchRate, samples, random } = options;
  const identities = comparisons.imagesOfIdentity.length;
  const rates = Float64Array.from({ length: samples }, () => {
    const weights = new Int32Array(identities);
    for (let drawn = 0; drawn < identities; drawn++) {
      const identity = random(identities);
      weights[identity] = (weights[identity] ?? 0) + 1;
    }
    return acceptedShare(comparisons, weights, weightedThreshold(comparisons, weights, falseMatchRate));
  }).sort();
  const percentile = (share: number): number => rates[Math.round(share * (samples - 1))] ?? 0;
  return { low: percentile(0.025), high: percentile(0.975) };
}

function weightedThreshold(
  { impostorTail, imagesOfIdentity }: Comparisons,
  weights: Int32Array,
  falseMatchRate: number,
): number {
  const allowed = falseMatchRate * countImpostorPairs(imagesOfIdentity, weights);
  let falseMatches = 0;
  const at = impostorTail.scores.findIndex(
    (_, rank) => (falseMatches += countOf(impostorTail, rank, weights)) > allowed,
  );
  return impostorTail.scores[at] ?? impostorTail.scores.at(-1) ?? -1;
}

function acceptedShare({ genuine }: Comparisons, weights: Int32Array, threshold: number): number {
  let accepted = 0;
  let all = 0;
  genuine.scores.forEach((score, at) => {
    const weight = weights[genuine.identities[at] ?? 0] ?? 0;
    all += weight;
    if (score > threshold) accepted += weight;
  });
  return all === 0 ? 0 : accepted / all;
}
