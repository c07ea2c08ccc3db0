import { isAppError, type ErrorCode } from '@sightline/kernel';
import { cosine, type OperatingPoint } from '@sightline/matching';
import { assertComparable, decodeTemplate, type Template } from '@sightline/template-protection';

/** The answer of a verification: whether two are the same person, or why that may not be asked of them. */
export type Comparison = OperatingPoint &
  (
    | { readonly outcome: 'matched' | 'not-matched'; readonly score: number }
    | { readonly outcome: 'refused'; readonly refusalCode: ErrorCode }
  );

/**
 * Compares a probe with somebody's templates; the nearest one counts.
 *
 * @param references at least one
 * @returns refused across model spaces or template keys
 * @throws AppError `TEMPLATE.INVALID`, `TEMPLATE.WRONG_DIMENSION`
 */
export function compare(probe: Template, references: readonly Template[], operatingPoint: OperatingPoint): Comparison {
  try {
    for (const reference of references) assertComparable(reference, probe);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { ...operatingPoint, outcome: 'refused', refusalCode: error.code };
  }
  const vector = decodeTemplate(probe);
  const score = Math.max(...references.map((reference) => cosine(vector, decodeTemplate(reference))));
  return { ...operatingPoint, outcome: score >= operatingPoint.threshold ? 'matched' : 'not-matched', score };
}
