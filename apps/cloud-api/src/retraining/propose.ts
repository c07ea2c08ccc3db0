import type { rest } from '@sightline/contracts';

/** Smaller changes of a threshold are not worth a decision, a difference of cosines. */
const LEAST_OFFSET = 0.01;
/** A lower threshold has to find so many more people at least, each of whom it could as well have missed: 1 in 64. */
const LEAST_FOUND = 6;
/** And so many more of all sightings. */
const LEAST_GAIN = 0.01;

/** What an evaluation comes to. */
export type ProposalDraft =
  | { readonly kind: 'insufficient-evidence' | 'candidate-release' }
  | { readonly kind: 'recalibration'; readonly offsetBefore: number; readonly offsetAfter: number };

/**
 * Proposals of an evaluation; none where the release keeps its targets.
 *
 * - Too few labels: nothing but that.
 * - A recalibration, up where more false matches than the target are certain (with 95 % confidence), down where the
 *   target is kept there too and clearly more people are found.
 * - A candidate release, where at the lowest threshold that keeps the false-match target so many are missed that the
 *   target of misses is exceeded by the margin, with 95 % confidence: then no threshold keeps both.
 */
export function propose(
  { active, calibrated, target, missing }: rest.EvaluationFigures,
  margin: number,
): readonly ProposalDraft[] {
  if (missing !== null || calibrated === null) return [{ kind: 'insufficient-evidence' }];
  const drafts: ProposalDraft[] = [];
  const offset = calibrated.threshold - active.threshold;
  const isTooLow = active.falseMatch.low > target.falseMatchRate && offset >= LEAST_OFFSET;
  if (isTooLow || (offset <= -LEAST_OFFSET && findsMore(active, calibrated))) {
    const { calibrationOffset: offsetBefore } = active;
    drafts.push({ kind: 'recalibration', offsetBefore, offsetAfter: Math.round((offsetBefore + offset) * 1e4) / 1e4 });
  }
  if (calibrated.falseNonMatch.low > target.falseNonMatchRate + margin) drafts.push({ kind: 'candidate-release' });
  return drafts;
}

function findsMore(active: rest.SitePointView, lower: rest.SitePointView): boolean {
  const found = active.falseNonMatch.events - lower.falseNonMatch.events;
  return found >= LEAST_FOUND && active.falseNonMatch.rate - lower.falseNonMatch.rate >= LEAST_GAIN;
}
