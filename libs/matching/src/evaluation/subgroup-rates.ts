import { countImpostorPairs, type Comparisons } from './comparisons.js';
import { countOf } from './operating-points.js';

/** What one threshold means to a part of the people: at the thresholds of all, since that is what a release has. */
export interface SubgroupRate {
  readonly genuinePairs: number;
  /** The share of the part's genuine pairs above the threshold; null without any. */
  readonly trueAcceptRate: number | null;
  /** Pairs of two people of the part. */
  readonly impostorPairs: number;
  readonly falseMatches: number;
  /** Null without such pairs. */
  readonly falseMatchRate: number | null;
}

/**
 * Error rates among some identities at a threshold that was set over all: differential performance in the sense of
 * ISO/IEC 19795-10, false matches within the group alone.
 *
 * @param threshold within the tail that `comparisons` keeps; scores above it match
 */
export function subgroupRate(
  { genuine, impostorTail, imagesOfIdentity }: Comparisons,
  belongs: (identity: number) => boolean,
  threshold: number,
): SubgroupRate {
  const weights = imagesOfIdentity.map((_, identity) => Number(belongs(identity)));
  const own = genuine.scores.filter((_, at) => belongs(genuine.identities[at] ?? -1));
  const impostorPairs = countImpostorPairs(imagesOfIdentity, weights);
  let falseMatches = 0;
  impostorTail.scores.forEach((score, at) => {
    if (score > threshold) falseMatches += countOf(impostorTail, at, weights);
  });
  const accepted = own.filter((score) => score > threshold).length;
  return {
    genuinePairs: own.length,
    trueAcceptRate: own.length === 0 ? null : accepted / own.length,
    impostorPairs,
    falseMatches,
    falseMatchRate: impostorPairs === 0 ? null : falseMatches / impostorPairs,
  };
}
