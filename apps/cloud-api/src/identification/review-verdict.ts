import type { rest } from '@sightline/contracts';
import { AppError, type PersonId } from '@sightline/kernel';

import type { StoredCandidate } from './decision-facts.js';
import { ambiguousBetween } from './decision-record.js';

/** What a review says, told apart from how it was asked. */
export interface Verdict {
  readonly verdict: rest.ReviewIdentification['verdict'];
  /** About whom it is said. */
  readonly personId: PersonId | null;
  /** Who it is not, of those whom the decision names. */
  readonly notPersonIds: readonly PersonId[];
}

export interface ReviewedDecision {
  readonly outcome: rest.Outcome;
  readonly personId: PersonId | null;
  readonly candidates: readonly StoredCandidate[] | null;
}

/**
 * What somebody's verdict on a decision means for whom the decision names: one who is identified, two who are
 * ambiguous, or nobody.
 *
 * @throws AppError `IDENTIFICATION.NOT_REVIEWABLE` for a verdict about somebody whom the decision does not name, or
 *   about nobody
 */
export function verdictOn(decided: ReviewedDecision, { verdict, personId: asked }: rest.ReviewIdentification): Verdict {
  const named = decided.personId === null ? ambiguousBetween(decided) : [decided.personId];
  const about = asked === undefined ? undefined : (asked as PersonId);
  if (verdict === 'is-person') {
    if (about === undefined) throw notReviewable('The verdict does not say who it is.');
    return { verdict, personId: about, notPersonIds: named.filter((id) => id !== about) };
  }
  if (named.length === 0) throw notReviewable('The identification names nobody of whom this could be said.');
  const [only] = named;
  const personId = about ?? (named.length === 1 ? only : undefined);
  if (personId === undefined) throw notReviewable('Two people are possible: say which of them is meant.');
  if (!named.includes(personId)) throw notReviewable('The identification does not name this person.');
  return {
    verdict,
    personId,
    notPersonIds: verdict === 'confirmed' ? named.filter((id) => id !== personId) : [personId],
  };
}

function notReviewable(message: string): AppError {
  return new AppError('IDENTIFICATION.NOT_REVIEWABLE', message);
}
