import { seededIntegers } from '@sightline/kernel';
import {
  compareAll,
  crossValidated,
  drawHalf,
  openSetRates,
  runOpenSetTrial,
  thresholdOf,
  trueAcceptInterval,
  verificationAccuracy,
  type Comparisons,
  type EvaluationImage,
  type OpenSetTrial,
} from '@sightline/matching';

import { identityOf, imagesByIdentity, type DataSet } from './data-set.js';
import { deviation, mean } from '@sightline/matching';

/** Vectors of an image: as it is enrolled, and as a probe. */
export interface Vectors {
  readonly enrolled: Float32Array;
  readonly probe: Float32Array;
}

const RATES = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const LEAST_FALSE_MATCHES = 3;
const POSITIVE_RATES = [0.1, 0.03, 0.01];
const DRAWS = 20;
const SAMPLES = 500;
/** The lowest scores that a sample of the identities may need for a rate of 1e-2. */
const TAIL = 0.03;

export type Measurement = ReturnType<typeof measure>;
/** Vectors of an image, or undefined where no face was found in it. */
export type VectorsOf = (image: string) => Vectors | undefined;

/**
 * Everything that is measured of one way to make vectors. An image without a face compares with nothing.
 *
 * @param withIntervals takes a while
 */
export function measure(data: DataSet, vectorsOf: VectorsOf, withIntervals = false) {
  return measureCompared(data, compareImages(data, vectorsOf), withIntervals);
}

/** All images of a data set against each other. An image without a face compares with nothing. */
export function compareImages(data: DataSet, vectorsOf: VectorsOf): ComparedImages {
  const set = evaluationSet(data, vectorsOf);
  const comparisons = compareAll(
    data.images.map((image) => set.imageOf(image)),
    TAIL,
  );
  return { ...set, comparisons };
}

/** As {@link measure}, of images that were compared. */
export function measureCompared(data: DataSet, { comparisons, ...set }: ComparedImages, withIntervals = false) {
  const accuracy = verificationAccuracy(
    data.pairs.map(({ fold, one, other, same }) => {
      return { fold, same, score: scoreOf(set.imageOf(one), set.imageOf(other)) };
    }),
  );
  const trial = openSetTrial(data, set.imageOf);
  return {
    accuracy: percent(accuracy.mean),
    rates: operatingPoints(comparisons, set.folds, withIntervals),
    openSet: perRate(openSetRates(trial, POSITIVE_RATES).map(({ falseNegativeRate }) => percent(falseNegativeRate))),
    openSet20: drawnRates(trial),
    sizes: {
      enrolled: trial.enrolledIdentities.length,
      genuinePairs: comparisons.genuine.scores.length,
      impostorPairs: comparisons.impostorPairs,
    },
  };
}

interface EvaluationSet {
  readonly imageOf: (image: string) => EvaluationImage;
  /** Of each identity. */
  readonly folds: readonly number[];
}

export interface ComparedImages extends EvaluationSet {
  readonly comparisons: Comparisons;
}

function evaluationSet({ images, foldOfIdentity }: DataSet, vectorsOf: VectorsOf): EvaluationSet {
  const numbers = new Map([...foldOfIdentity.keys()].map((identity, number) => [identity, number]));
  const dimension = images.map(vectorsOf).find((vectors) => vectors !== undefined)?.probe.length ?? 0;
  const nothing = new Float32Array(dimension); // scores 0 against everything
  const prepared = new Map(
    images.map((image): [string, EvaluationImage] => {
      const { enrolled, probe } = vectorsOf(image) ?? { enrolled: nothing, probe: nothing };
      return [image, { identity: numbers.get(identityOf(image)) ?? -1, enrolled, probe }];
    }),
  );
  return {
    folds: [...foldOfIdentity.values()],
    imageOf: (image) => prepared.get(image) ?? { identity: -1, enrolled: nothing, probe: nothing },
  };
}

/** Cosine of an image as it is enrolled with another one as a probe. */
function scoreOf(one: EvaluationImage, other: EvaluationImage): number {
  return one.enrolled.reduce((sum, component, index) => sum + component * (other.probe[index] ?? 0), 0);
}

function operatingPoints(comparisons: Comparisons, folds: readonly number[], withIntervals: boolean) {
  const { impostorTail, impostorPairs } = comparisons;
  // Less than a few false matches say nothing, not even by a fitted tail.
  const rates = RATES.filter((rate) => rate * impostorPairs >= LEAST_FALSE_MATCHES);
  return crossValidated(comparisons, folds, rates).map(({ falseMatchRate, trueAcceptRate, observed, folds: rated }) => {
    const whole = thresholdOf(impostorTail.scores, impostorPairs, falseMatchRate);
    const random = seededIntegers(1);
    const interval =
      withIntervals && !whole.fitted
        ? trueAcceptInterval(comparisons, { falseMatchRate, samples: SAMPLES, random })
        : undefined;
    return {
      falseMatchRate,
      rate: falseMatchRate.toExponential(0),
      tar: percent(trueAcceptRate),
      ...(interval && { interval95: [percent(interval.low), percent(interval.high)] as const }),
      /** Of all impostor pairs: what a release states. Those that the folds were judged at are `foldThresholds`. */
      threshold: whole.threshold,
      falseMatches: whole.falseMatches,
      impostorPairs,
      fitted: rated.some(({ fitted }) => fitted),
      foldThresholds: rated.map(({ threshold }) => threshold),
      observedRate: observed.falseMatches / observed.impostorPairs,
    };
  });
}

/** The first image of each identity that has more is enrolled; the others are probes. */
function openSetTrial(data: DataSet, imageOf: (image: string) => EvaluationImage): OpenSetTrial {
  const paired = new Set(data.pairs.flatMap(({ one, other }) => [identityOf(one), identityOf(other)]));
  const several = imagesByIdentity(data.images).filter(
    ([identity, images]) => paired.has(identity) && images.length > 1,
  );
  return runOpenSetTrial({
    enrolled: several.flatMap(([, images]) => images.slice(0, 1).map(imageOf)),
    probes: several.flatMap(([, images]) => images.slice(1).map(imageOf)),
    strangers: data.strangers.map(imageOf),
  });
}

/** Mean and spread over seeded draws that turn half of the enrolled identities into strangers. */
export function drawnRates(trial: OpenSetTrial) {
  const drawn = Array.from({ length: DRAWS }, (_, draw) =>
    openSetRates(trial, POSITIVE_RATES, drawHalf(trial, seededIntegers(draw + 1))).map(({ falseNegativeRate }) =>
      percent(falseNegativeRate),
    ),
  );
  return perRate(
    POSITIVE_RATES.map((_, index) => {
      const values = drawn.map((rates) => rates[index] ?? Number.NaN);
      return { mean: mean(values), deviation: deviation(values) };
    }),
  );
}

export function perRate<T>(values: readonly T[]): Readonly<Record<string, T>> {
  return Object.fromEntries(
    POSITIVE_RATES.flatMap((rate, index) => values.slice(index, index + 1).map((value) => [rate, value])),
  );
}

function percent(share: number): number {
  return 100 * share;
}
