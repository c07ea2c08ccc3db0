/** Two images of a verification list, compared. */
export interface ScoredPair {
  readonly fold: number;
  /** Whether both show one person. */
  readonly same: boolean;
  readonly score: number;
}

export interface VerificationAccuracy {
  /** Mean of the folds, 0 to 1. */
  readonly mean: number;
  readonly folds: readonly { readonly fold: number; readonly accuracy: number; readonly threshold: number }[];
}

/** The share of each fold that is decided rightly at the threshold that decides most of the other folds rightly. */
export function verificationAccuracy(pairs: readonly ScoredPair[]): VerificationAccuracy {
  const numbers = [...new Set(pairs.map(({ fold }) => fold))].sort((a, b) => a - b);
  const folds = numbers.map((fold) => {
    const threshold = bestThreshold(pairs.filter((pair) => pair.fold !== fold));
    const own = pairs.filter((pair) => pair.fold === fold);
    const right = own.filter(({ same, score }) => score >= threshold === same);
    return { fold, threshold, accuracy: right.length / own.length };
  });
  return { mean: folds.reduce((sum, { accuracy }) => sum + accuracy, 0) / folds.length, folds };
}

/**
 * The threshold that decides most pairs rightly. Halfway between two neighbouring scores, so that none lies
 * on it; of several that are equally good the one in the middle.
 */
export function bestThreshold(pairs: readonly Omit<ScoredPair, 'fold'>[]): number {
  const rising = [...pairs].sort((a, b) => a.score - b.score);
  let right = rising.filter(({ same }) => same).length; // below all scores everything is accepted
  let most = right;
  let best: number[] = [(rising[0]?.score ?? 0) - 1e-6];
  rising.forEach(({ same, score }, index) => {
    right += same ? -1 : 1;
    const next = rising[index + 1]?.score ?? score + 2e-6;
    if (next === score || right < most) return;
    if (right > most) best = [];
    most = right;
    best.push((score + next) / 2);
  });
  return best[Math.floor(best.length / 2)] ?? 0;
}
