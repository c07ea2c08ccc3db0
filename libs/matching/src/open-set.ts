import { AppError, type ErrorCode, type PersonId } from '@sightline/kernel';

/** A person whom a search found, with the score of their nearest template. */
export interface ScoredPerson {
  readonly personId: PersonId;
  /** Cosine similarity, -1 to 1. */
  readonly score: number;
}

/** The bar of a decision, and what it stands for. */
export interface OperatingPoint {
  /** Cosine similarity from which on a person counts as found. */
  readonly threshold: number;
  /** The false-match rate of one comparison at that threshold. */
  readonly falseMatchRate: number;
}

/** The answer of an open-set identification: "unknown" is one, and so is the refusal to decide. */
export type OpenSetDecision = OperatingPoint &
  (
    | { readonly outcome: 'identified'; readonly personId: PersonId; readonly score: number }
    /** `score` of the nearest person; absent when the gallery was empty. */
    | { readonly outcome: 'unknown'; readonly score?: number }
    | { readonly outcome: 'refused'; readonly refusalCode: ErrorCode }
  );

export interface OpenSetInput extends OperatingPoint {
  /** What one probe's search found, in any order. Pool the shots of a sighting into one probe before. */
  readonly candidates: readonly ScoredPerson[];
  /** Why the probe could not be compared, if so: then nothing is decided. */
  readonly refusalCode?: ErrorCode;
}

/**
 * Identifies the nearest person whose score reaches the threshold; ties go to the smaller person id.
 *
 * @throws AppError `TEMPLATE.INVALID` for a score or threshold that is no number
 */
export function decideOpenSet({ candidates, threshold, falseMatchRate, refusalCode }: OpenSetInput): OpenSetDecision {
  const operatingPoint = { threshold, falseMatchRate };
  if (refusalCode !== undefined) return { ...operatingPoint, outcome: 'refused', refusalCode };
  if (Number.isNaN(threshold) || candidates.some(({ score }) => Number.isNaN(score))) {
    throw new AppError('TEMPLATE.INVALID', 'A score or threshold is not a number.');
  }
  const [nearest] = [...candidates].sort(byScoreThenPerson);
  if (!nearest) return { ...operatingPoint, outcome: 'unknown' };
  const { personId, score } = nearest;
  return score >= threshold
    ? { ...operatingPoint, outcome: 'identified', personId, score }
    : { ...operatingPoint, outcome: 'unknown', score };
}

/** Best first; ties by person id, so that every gallery and every process agrees. */
export function byScoreThenPerson(a: ScoredPerson, b: ScoredPerson): number {
  if (a.score !== b.score) return b.score - a.score;
  return a.personId < b.personId ? -1 : Number(a.personId > b.personId);
}
