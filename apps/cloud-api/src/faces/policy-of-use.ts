import type { rest } from '@sightline/contracts';
import type { ErrorCode, TenantId } from '@sightline/kernel';
import { thresholdAt, type OperatingPoint } from '@sightline/matching';
import type { Face, Recogniser } from '@sightline/recognition';

import type { DecisionPolicies } from '../identification/decision-policies.js';
import { resolveRules, type ResolvedRules } from '../identification/decision-policy.js';
import type { CalibratedRelease } from '../releases/active-release.js';

type Rules = Pick<ResolvedRules, 'target' | 'minimumQuality' | 'requiredLiveScore'>;

/** What a tenant's policy asks of the face that is verified. */
export interface Assessment {
  /** Null where it was not asked for, or cannot be told. */
  readonly liveScore: number | null;
  /** Why the face is not compared. */
  readonly refusalCode?: ErrorCode;
}

/** The rules of a tenant for a use; undefined for none. */
export async function rulesFor(
  policies: DecisionPolicies,
  tenantId: TenantId,
  use: rest.DecisionUse | undefined,
): Promise<Rules | undefined> {
  return use && resolveRules(await policies.of(tenantId), {}, { target: policies.target, use });
}

/**
 * The bar of one comparison. A search of one template has the false-positive rate of its one comparison, so of all rates
 * that are asked for the strictest counts.
 *
 * @throws AppError `CALIBRATION.RATE_NOT_MEASURED`
 */
export function operatingPointOf(
  { operatingPoint, manifest }: CalibratedRelease,
  rules: Rules | undefined,
  asked: number | undefined,
): OperatingPoint {
  const rates = [asked, rules?.target.falseMatchRate, rules?.target.falsePositiveRate].filter(
    (rate) => rate !== undefined,
  );
  if (rates.length === 0) return operatingPoint;
  const falseMatchRate = Math.min(...rates);
  return { falseMatchRate, threshold: thresholdAt(manifest.calibration.points, falseMatchRate) };
}

/** Quality and presentation, as of a sighting: a face whose presentation cannot be told is not taken for a live one. */
export async function assess(
  face: Pick<Face, 'quality' | 'surroundings'>,
  { minimumQuality, requiredLiveScore }: Rules,
  recogniser: Pick<Recogniser, 'scoresPresentations' | 'liveScores'>,
  signal?: AbortSignal,
): Promise<Assessment> {
  if (face.quality < minimumQuality) return { liveScore: null, refusalCode: 'VERIFICATION.LOW_QUALITY' };
  if (requiredLiveScore === 0) return { liveScore: null };
  if (!recogniser.scoresPresentations || face.surroundings === undefined) {
    return { liveScore: null, refusalCode: 'PRESENTATION.NOT_ASSESSED' };
  }
  const { scores } = await recogniser.liveScores([face], signal);
  const liveScore = scores[0] ?? null;
  if (liveScore === null) return { liveScore, refusalCode: 'PRESENTATION.NOT_ASSESSED' };
  return liveScore < requiredLiveScore ? { liveScore, refusalCode: 'PRESENTATION.NOT_LIVE' } : { liveScore };
}
