import { AppError } from '@sightline/kernel';

import { dot, type EvaluationImage } from './comparisons.js';

export interface OpenSetImages {
  /** Several images of one identity may be enrolled. */
  readonly enrolled: readonly EvaluationImage[];
  /** Further images of enrolled identities. */
  readonly probes: readonly EvaluationImage[];
  /** Images of people who are not enrolled. */
  readonly strangers: readonly EvaluationImage[];
}

/** One image, searched among all enrolled ones. */
interface Search {
  readonly identity: number;
  /** Whether the image is itself enrolled: then it is searched only when its person counts as a stranger. */
  readonly enrolled: boolean;
  /** In the order of the enrolled images. */
  readonly scores: Float32Array;
}

/** All scores of an open-set trial. */
export interface OpenSetTrial {
  readonly enrolledIdentities: readonly number[];
  readonly searches: readonly Search[];
}

export interface OpenSetRate {
  /** The share of strangers who were returned as somebody: FPIR. */
  readonly falsePositiveRate: number;
  /** The share of probes that were not returned as their own person: FNIR. */
  readonly falseNegativeRate: number;
  /** Scores above it are returned. */
  readonly threshold: number;
}

/** Searches every image, the enrolled ones too, among the enrolled ones. */
export function runOpenSetTrial({ enrolled, probes, strangers }: OpenSetImages): OpenSetTrial {
  const search = (image: EvaluationImage, isEnrolled: boolean): Search => ({
    identity: image.identity,
    enrolled: isEnrolled,
    scores: Float32Array.from(enrolled, (other) => dot(other.enrolled, image.probe)),
  });
  return {
    enrolledIdentities: enrolled.map(({ identity }) => identity),
    searches: [
      ...[...probes, ...strangers].map((image) => search(image, false)),
      ...enrolled.map((image) => search(image, true)),
    ],
  };
}

/**
 * The false-negative identification rate at given false-positive ones (ISO/IEC 19795-1). Only the nearest
 * enrolled image counts; what lies on the threshold is not returned.
 *
 * @param away identities that are taken out of the gallery: all of their images are strangers'
 * @throws AppError `EVALUATION.INVALID` when there are no probes, or no strangers
 */
export function openSetRates(
  { enrolledIdentities, searches }: OpenSetTrial,
  falsePositiveRates: readonly number[],
  away: ReadonlySet<number> = new Set(),
): OpenSetRate[] {
  const gallery = enrolledIdentities.map((identity) => (away.has(identity) ? undefined : identity));
  const known = new Set(gallery);
  const mated: { readonly score: number; readonly own: boolean }[] = [];
  const falling: number[] = [];
  for (const { identity, enrolled, scores } of searches) {
    if (enrolled && known.has(identity)) continue;
    const best = nearest(gallery, scores);
    if (known.has(identity)) mated.push({ score: best.score, own: best.identity === identity });
    else falling.push(best.score);
  }
  if (mated.length === 0 || falling.length === 0) {
    throw new AppError('EVALUATION.INVALID', 'An open set needs enrolled images, probes and strangers.');
  }
  falling.sort((a, b) => b - a);
  return falsePositiveRates.map((falsePositiveRate) => {
    const threshold = falling[Math.floor(falsePositiveRate * falling.length)] ?? -1;
    const missed = mated.filter(({ score, own }) => !(own && score > threshold));
    return { falsePositiveRate, threshold, falseNegativeRate: missed.length / mated.length };
  });
}

/**
 * Half of the enrolled identities, chosen at random.
 *
 * @param random a whole number from 0 to below its argument
 */
export function drawHalf({ enrolledIdentities }: OpenSetTrial, random: (below: number) => number): Set<number> {
  const identities = [...new Set(enrolledIdentities)];
  for (let last = identities.length - 1; last > 0; last--) {
    const pick = random(last + 1); // Fisher and Yates
    [identities[last], identities[pick]] = [identities[pick] ?? 0, identities[last] ?? 0];
  }
  return new Set(identities.slice(0, Math.floor(identities.length / 2)));
}

function nearest(gallery: readonly (number | undefined)[], scores: Float32Array) {
  let best: { readonly score: number; readonly identity?: number } = { score: -Infinity };
  gallery.forEach((identity, index) => {
    const score = scores[index] ?? -1;
    if (identity !== undefined && score > best.score) best = { score, identity };
  });
  return best;
}
