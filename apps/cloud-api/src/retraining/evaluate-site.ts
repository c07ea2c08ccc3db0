import { setImmediate as nextTurn } from 'node:timers/promises';

import type { rest } from '@sightline/contracts';
import { seededIntegers } from '@sightline/kernel';
import {
  evaluateAt,
  searchRateOf,
  SiteScoring,
  thresholdFor,
  trialsForRate,
  type SearchPoint,
  type SitePoint,
  type SiteScores,
} from '@sightline/matching';

import type { CalibratedRelease } from '../releases/active-release.js';
import type { SiteTrial } from './labelled-probes.js';

/** Samples of the bootstrap, and its seed: the same labels give the same figures. */
const SAMPLES = 500;
const SEED = 20_260_302;
/** So far below the lowest calibrated threshold scores are kept: no threshold is proposed below it. */
const BELOW_CALIBRATION = 0.1;
/**
 * Fewer people than this say little about how people differ, however many probes they have: the rule of 30 (G. Doddington
 * et al., "The NIST speaker recognition evaluation", Speech Communication 31, 2000), asked of people instead of errors.
 */
export const LEAST_PEOPLE = 30;

export interface SiteTarget {
  /** The bar of a search at the site, as decisions are made now. */
  readonly point: SearchPoint;
  readonly templatesSearched: number;
  readonly falsePositiveRate: number | null;
  readonly falseNonMatchRate: number;
}

/** Scores the probes of a site, and lets requests be answered between them. */
export async function scoreSite(
  { probes, enrolled, people }: SiteTrial,
  { manifest }: CalibratedRelease,
  signal: AbortSignal,
): Promise<{ readonly scores: SiteScores; readonly floor: number }> {
  const floor = Math.min(...manifest.calibration.points.map(({ threshold }) => threshold)) - BELOW_CALIBRATION;
  const scoring = new SiteScoring(enrolled, people, floor);
  for (const probe of probes) {
    scoring.add(probe);
    await nextTurn();
    signal.throwIfAborted();
  }
  return { scores: scoring.scores(), floor };
}

/** The figures of the active release on the labelled probes of a site. */
export function evaluationFigures(
  trial: SiteTrial,
  { scores, floor }: { readonly scores: SiteScores; readonly floor: number },
  { manifest, digest }: CalibratedRelease,
  target: SiteTarget,
): rest.EvaluationFigures {
  const { point, templatesSearched } = target;
  const { calibration } = manifest;
  const viewAt = (threshold: number): rest.SitePointView =>
    toView(evaluateAt(scores, threshold, { samples: SAMPLES, random: seededIntegers(SEED) }), templatesSearched);
  const viewFor = (rate: number): rest.SitePointView | null => {
    const threshold = thresholdFor(scores, rate, floor);
    return threshold === undefined ? null : viewAt(threshold);
  };
  const missing = missingEvidence(scores, point.wantedFalseMatchRate);
  return {
    release: {
      ...{ version: manifest.version, digest, modelSpace: manifest.modelSpace.id },
      variantDigest: calibration.variantDigest,
    },
    labels: {
      ...{ probes: trial.probes.length, people: labelledPeople(scores) },
      ...{ identified: trial.identified, others: trial.others, unusable: trial.unusable },
      ...{ enrolledThemselves: scores.enrolledThemselves, pairs: scores.pairs, comparisons: scores.comparisons },
      ...{ templates: trial.enrolled.length, wholeGallery: trial.wholeGallery },
    },
    target: {
      ...{ falseMatchRate: point.wantedFalseMatchRate, falsePositiveRate: target.falsePositiveRate },
      ...{ templatesSearched, falseNonMatchRate: target.falseNonMatchRate },
    },
    active: { ...viewAt(point.threshold), calibrationOffset: point.calibrationOffset },
    calibrated: missing === null ? viewFor(point.wantedFalseMatchRate) : null,
    trueAcceptRates: calibration.points.map(({ falseMatchRate }) => ({
      falseMatchRate,
      point: missing !== null && missing.people > 0 ? null : viewFor(falseMatchRate),
    })),
    missing,
  };
}

/** What the labels are short of, to say of any threshold that it keeps a rate. */
function missingEvidence(scores: SiteScores, wantedRate: number): rest.MissingEvidence | null {
  const people = Math.max(0, LEAST_PEOPLE - labelledPeople(scores));
  const pairs = Math.max(0, trialsForRate(wantedRate) - scores.pairs);
  if (people === 0 && pairs === 0) return null;
  const others = scores.templatesOf.reduce((count, templates) => count + Number(templates > 0), 0) - 1;
  return { people, pairs, morePeople: Math.max(people, Math.ceil(pairs / Math.max(1, others))) };
}

function labelledPeople({ genuine }: SiteScores): number {
  return new Set(genuine.map(({ person }) => person)).size;
}

function toView({ threshold, falseMatch, falseNonMatch }: SitePoint, templatesSearched: number): rest.SitePointView {
  const { rate } = falseMatch;
  const isRate = rate > 0 && rate < 1;
  return {
    ...{ threshold, falseMatch, falseNonMatch },
    expectedFalsePositiveRate: isRate ? searchRateOf(rate, templatesSearched) : rate,
  };
}
