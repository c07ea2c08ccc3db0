import { IdentificationOutcome, type LocalDecision as WireDecision } from '@sightline/contracts';
import { isUuid, type PersonId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';

/** What a box decided by its own cache. */
export type LocalDecision =
  | { readonly outcome: 'identified'; readonly personId: PersonId; readonly score: number }
  | { readonly outcome: 'unknown'; readonly score: number };

/** @returns undefined when the box decided nothing, or nothing that can be */
export function localDecision(wire: WireDecision | undefined): LocalDecision | undefined {
  if (wire === undefined || !(Math.abs(wire.score) <= 1)) return undefined;
  const { outcome, personId, score } = wire;
  if (outcome === IdentificationOutcome.IDENTIFIED) {
    return isUuid(personId) ? { outcome: 'identified', personId: personId as PersonId, score } : undefined;
  }
  return outcome === IdentificationOutcome.UNKNOWN ? { outcome: 'unknown', score } : undefined;
}

/**
 * Whether a box named somebody, and the cloud decided that it is another or nobody. An "unknown" of a box differs from
 * nothing: its cache holds some of the people. Nor does anything differ from a decision that was refused, or one of
 * two people from both of them.
 */
export function localDiffers(local: LocalDecision | undefined, decision: OpenSetDecision): boolean {
  if (local?.outcome !== 'identified' || decision.outcome === 'refused') return false;
  if (decision.outcome === 'ambiguous') return !decision.personIds.includes(local.personId);
  return decision.outcome !== 'identified' || decision.personId !== local.personId;
}
