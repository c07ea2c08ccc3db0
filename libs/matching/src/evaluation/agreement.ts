import { kolmogorovSmirnov } from '../drift/kolmogorov-smirnov.js';
import { cosine } from '../cosine.js';
import { deviation, mean } from './statistics.js';
import { scoreHistogram } from './score-histogram.js';

/** One face, embedded by two models. */
export interface EmbeddedTwice {
  readonly one: Float32Array;
  readonly other: Float32Array;
}

/** How alike the vectors of two models are. */
export interface VectorAgreement {
  readonly faces: number;
  readonly mean: number;
  /** The cosine that one face of a hundred lies below. */
  readonly p1: number;
  readonly min: number;
  /** Rising. */
  readonly cosines: Float32Array;
}

/**
 * The cosines of what two models make of the same faces.
 *
 * @param faces at least one
 * @throws AppError `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID`
 */
export function vectorAgreement(faces: readonly EmbeddedTwice[]): VectorAgreement {
  const cosines = Float32Array.from(faces, ({ one, other }) => cosine(one, other)).sort();
  return {
    faces: cosines.length,
    mean: mean([...cosines]),
    p1: cosines[Math.floor(cosines.length / 100)] ?? Number.NaN,
    min: cosines[0] ?? Number.NaN,
    cosines,
  };
}

/** How the scores of the same pairs move from one model to another. */
export interface ScoreShift {
  readonly pairs: number;
  /** Of the new score less the old one. */
  readonly mean: number;
  readonly deviation: number;
  /** Largest difference of the two distribution functions, 0 to 1: Kolmogorov and Smirnov. */
  readonly kolmogorovSmirnov: number;
}

/** @param before scores of at least two pairs @param after of the same ones, in the same order */
export function scoreShift(before: Float32Array, after: Float32Array): ScoreShift {
  const differences = Array.from(after, (score, at) => score - (before[at] ?? Number.NaN));
  const { statistic } = kolmogorovSmirnov([...scoreHistogram(before)], [...scoreHistogram(after)]);
  return {
    pairs: differences.length,
    mean: mean(differences),
    deviation: deviation(differences),
    kolmogorovSmirnov: statistic,
  };
}
