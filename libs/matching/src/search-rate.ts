import { AppError } from '@sightline/kernel';

/**
 * The false-match rate that one comparison may have so that a search of `comparisons` of them returns a stranger as
 * somebody no oftener than `falsePositiveRate`: 1 − (1 − FPIR)^(1/N).
 *
 * It is the inverse of FPIR = 1 − (1 − FMR)^N: J. Daugman, "Biometric decision landscapes", University of Cambridge,
 * UCAM-CL-TR-482 (2000), and ISO/IEC 19795-1 on open-set identification; for comparisons that are independent. Those of one
 * probe are not: then FPIR is lower, since a stranger who resembles one resembles several (FPIR ≤ N · FMR holds
 * however they depend on each other). `comparisons` is therefore the number of templates that are searched, not that
 * of people: a person's score is that of the nearest of their templates, so that each is a chance of its own.
 *
 * @param falsePositiveRate FPIR, above 0 and below 1
 * @param comparisons a whole number; less than 1 counts as 1
 * @throws AppError `CALIBRATION.INVALID` for a rate that is none
 */
export function comparisonRateFor(falsePositiveRate: number, comparisons: number): number {
  assertRate(falsePositiveRate);
  // By log1p and expm1: 1 − (1 − x)^(1/N) itself loses every digit where N is large.
  return -Math.expm1(Math.log1p(-falsePositiveRate) / Math.max(1, comparisons));
}

/**
 * How often a search of so many comparisons returns a stranger as somebody, at a false-match rate of one comparison:
 * the inverse of {@link comparisonRateFor}.
 *
 * @param falseMatchRate FMR of one comparison, above 0 and below 1
 * @throws AppError `CALIBRATION.INVALID` for a rate that is none
 */
export function searchRateOf(falseMatchRate: number, comparisons: number): number {
  assertRate(falseMatchRate);
  return -Math.expm1(Math.log1p(-falseMatchRate) * Math.max(1, comparisons));
}

function assertRate(rate: number): void {
  if (rate > 0 && rate < 1) return;
  throw new AppError('CALIBRATION.INVALID', `A rate lies above 0 and below 1: ${rate} does not.`);
}
