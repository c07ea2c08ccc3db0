import { AppError } from '@sightline/kernel';

import { countScore, emptyScoreHistogram, type ScoreHistogram } from './score-histogram.js';

/** One image of a person: as it is enrolled, and as it is searched with. The two may differ in how they were made. */
export interface EvaluationImage {
  /** Whom it shows: the place of the identity in the caller's list, from 0. */
  readonly identity: number;
  /** Vectors of length one, all of one dimension. */
  readonly enrolled: Float32Array;
  readonly probe: Float32Array;
}

/** Scores with the identities that were compared, in step. */
export interface ImpostorScores {
  readonly scores: Float32Array;
  readonly one: Int32Array;
  readonly other: Int32Array;
}

/** Every image against every other. */
export interface Comparisons {
  readonly imagesOfIdentity: Int32Array;
  readonly genuine: { readonly scores: Float32Array; readonly identities: Int32Array };
  /** The highest impostor scores, falling. Lower ones never decide anything at the rates of interest. */
  readonly impostorTail: ImpostorScores;
  readonly impostorPairs: number;
  /** All impostor scores. */
  readonly impostorHistogram: ScoreHistogram;
}

/**
 * Compares each image, as enrolled, with each later one, as a probe: the order of the list decides who plays
 * which part, and each pair counts once.
 *
 * @param tailShare how much of the impostor scores to keep, above 0, at most 1
 * @throws AppError `EVALUATION.INVALID` when no two images are of one identity, or none of two
 */
export function compareAll(images: readonly EvaluationImage[], tailShare: number): Comparisons {
  const identities = images.reduce((most, { identity }) => Math.max(most, identity + 1), 0);
  const imagesOfIdentity = new Int32Array(identities);
  for (const { identity } of images) imagesOfIdentity[identity] = (imagesOfIdentity[identity] ?? 0) + 1;
  const impostorPairs = countImpostorPairs(imagesOfIdentity);
  const scores = new Float32Array(impostorPairs);
  const genuine: { score: number; identity: number }[] = [];
  const impostorHistogram = emptyScoreHistogram();
  let at = 0;
  forEachPair(images, (one, other) => {
    const score = dot(one.enrolled, other.probe);
    if (one.identity === other.identity) genuine.push({ score, identity: one.identity });
    else {
      scores[at++] = score;
      countScore(impostorHistogram, score);
    }
  });
  if (genuine.length === 0 || impostorPairs === 0) {
    throw new AppError('EVALUATION.INVALID', 'An evaluation needs two images of one person, and two people.');
  }
  return {
    imagesOfIdentity,
    impostorPairs,
    impostorHistogram,
    genuine: {
      scores: Float32Array.from(genuine, ({ score }) => score),
      identities: Int32Array.from(genuine, ({ identity }) => identity),
    },
    impostorTail: tailOf(images, scores, Math.ceil(impostorPairs * tailShare)),
  };
}

/** Pairs of images of two identities. `weights`: how often each identity's images count. */
export function countImpostorPairs(imagesOfIdentity: Int32Array, weights?: Int32Array): number {
  let all = 0;
  let within = 0;
  imagesOfIdentity.forEach((images, identity) => {
    const counted = images * (weights?.[identity] ?? 1);
    all += counted;
    within += counted * counted;
  });
  return (all * all - within) / 2;
}

/** The `size` highest scores with their identities; the scores lie in the order of {@link forEachPair}. */
function tailOf(images: readonly EvaluationImage[], scores: Float32Array, size: number): ImpostorScores {
  const cut = scores.toSorted()[scores.length - size] ?? -1;
  const found: { score: number; one: number; other: number }[] = [];
  let at = 0;
  forEachPair(images, ({ identity: one }, { identity: other }) => {
    if (one === other) return;
    const score = scores[at++] ?? -1;
    if (score >= cut) found.push({ score, one, other });
  });
  found.sort((a, b) => b.score - a.score);
  return {
    scores: Float32Array.from(found, ({ score }) => score),
    one: Int32Array.from(found, ({ one }) => one),
    other: Int32Array.from(found, ({ other }) => other),
  };
}

function forEachPair(
  images: readonly EvaluationImage[],
  visit: (one: EvaluationImage, other: EvaluationImage) => void,
): void {
  images.forEach((one, index) => {
    for (let next = index + 1; next < images.length; next++) {
      const other = images[next];
      if (other) visit(one, other);
    }
  });
}

/** Of vectors of length one: their cosine. Four sums at a time, since the processor can add them side by side. */
export function dot(one: Float32Array, other: Float32Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let index = 0; index < one.length; index += 4) {
    first += (one[index] ?? 0) * (other[index] ?? 0);
    second += (one[index + 1] ?? 0) * (other[index + 1] ?? 0);
    third += (one[index + 2] ?? 0) * (other[index + 2] ?? 0);
    fourth += (one[index + 3] ?? 0) * (other[index + 3] ?? 0);
  }
  return first + second + third + fourth;
}
