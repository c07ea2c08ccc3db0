import type { Calibration } from '@sightline/contracts';
import { seededIntegers } from '@sightline/kernel';
import {
  coarser,
  dot,
  rocCurve,
  scoreHistogram,
  scoreShift,
  subgroupRate,
  vectorAgreement,
  type Comparisons,
} from '@sightline/matching';

import { identityOf, type DataSet } from './data-set.js';
import type { EmbeddedFace, EmbeddedImages } from './embed-images.js';
import type { Agreement, EmbedderEvaluation, Subgroup } from './evaluation-report.js';
import { compareImages, measureCompared, type Measurement, type VectorsOf } from './measure.js';

/** For plots. */
const SCORE_BINS = 100;
const COSINE_BINS = 50;
/** Impostor pairs whose scores are followed from the parent to the variant. */
const FOLLOWED_PAIRS = 200_000;
/** Decimals of a threshold in a manifest. */
const THRESHOLD_STEPS = 1e4;

interface Names {
  /** Of the data set. */
  readonly name: string;
  readonly variantDigest: string;
  readonly parentDigest?: string | undefined;
}

type EmbedderFigures = Pick<
  EmbedderEvaluation,
  | 'genuinePairs'
  | 'impostorPairs'
  | 'accuracy'
  | 'operatingPoints'
  | 'roc'
  | 'openSet'
  | 'scores'
  | 'agreement'
  | 'subgroups'
  | 'calibration'
>;

/** What the vectors of a data set's images tell of their embedder, and of its twin where they have one. */
export function embedderFigures(
  data: DataSet,
  { faces }: Pick<EmbeddedImages, 'faces'>,
  { name, variantDigest, parentDigest }: Names,
): EmbedderFigures & { readonly measured: Measurement } {
  const compared = compareImages(data, (image) => faces.get(image));
  const { comparisons } = compared;
  const measured = measureCompared(data, compared, true);
  const calibration = calibrationOf(measured, `${name}, all-vs-all of ${data.images.length} images`, variantDigest);
  return {
    measured,
    genuinePairs: measured.sizes.genuinePairs,
    impostorPairs: measured.sizes.impostorPairs,
    accuracy: measured.accuracy / 100,
    operatingPoints: measured.rates.map(operatingPoint),
    roc: rocCurve(comparisons),
    openSet: openSetPoints(measured),
    scores: {
      ...{ from: -1, to: 1 },
      genuine: coarser(scoreHistogram(comparisons.genuine.scores), SCORE_BINS),
      impostor: coarser(comparisons.impostorHistogram, SCORE_BINS),
    },
    ...(parentDigest !== undefined && { agreement: agreementOf(data, faces, { comparisons, parentDigest }) }),
    subgroups: subgroupsOf(data, comparisons, measured),
    ...(calibration && { calibration }),
  };
}

type MeasuredRate = Measurement['rates'][number];

function operatingPoint(rate: MeasuredRate): EmbedderEvaluation['operatingPoints'][number] {
  const { falseMatchRate, tar, interval95, threshold, falseMatches, fitted, observedRate } = rate;
  return {
    ...{ falseMatchRate, trueAcceptRate: tar / 100, threshold, falseMatches, fitted, observedRate },
    ...(interval95 && { interval95: [interval95[0] / 100, interval95[1] / 100] }),
  };
}

function openSetPoints({ openSet, openSet20 }: Measurement): EmbedderEvaluation['openSet'] {
  return Object.entries(openSet).map(([rate, falseNegatives]) => {
    const drawn = openSet20[rate];
    return {
      falsePositiveRate: Number(rate),
      falseNegativeRate: falseNegatives / 100,
      draws: { mean: (drawn?.mean ?? 0) / 100, deviation: (drawn?.deviation ?? 0) / 100 },
    };
  });
}

/** Thresholds that were counted, rounded up; a manifest says nothing of fitted ones. */
function calibrationOf({ rates, sizes }: Measurement, of: string, variantDigest: string): Calibration | undefined {
  const points = rates
    .filter(({ fitted }) => !fitted)
    .map(({ falseMatchRate, threshold }) => {
      return { falseMatchRate, threshold: Math.ceil(threshold * THRESHOLD_STEPS) / THRESHOLD_STEPS };
    });
  if (points.length < 2) return undefined;
  const dataSet = `${of}: six views enrolled, one searched`;
  return { variantDigest, dataSet, impostorPairs: sizes.impostorPairs, points };
}

function subgroupsOf(
  { labels, foldOfIdentity }: DataSet,
  comparisons: Comparisons,
  { rates }: Measurement,
): Subgroup[] {
  const numbers = new Map([...foldOfIdentity.keys()].map((identity, number) => [identity, number]));
  const groups = new Map<string, { readonly label: string; readonly value: string; readonly members: Set<number> }>();
  for (const { identity, label, value } of labels) {
    const number = numbers.get(identity);
    const key = `${label}\t${value}`;
    const group = groups.get(key) ?? { label, value, members: new Set() };
    if (number !== undefined) group.members.add(number);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ label, value, members }) => {
    const rated = rates
      .filter(({ fitted }) => !fitted)
      .map(({ falseMatchRate, threshold }) => {
        const {
          genuinePairs,
          falseMatchRate: observedRate,
          ...rate
        } = subgroupRate(comparisons, (identity) => members.has(identity), threshold);
        return { genuinePairs, rate: { falseMatchRate, observedRate, ...rate } };
      });
    const genuinePairs = rated[0]?.genuinePairs ?? 0;
    return { label, value, identities: members.size, genuinePairs, rates: rated.map(({ rate }) => rate) };
  });
}

/** With the twin that embedded the same crops. */
function agreementOf(
  data: DataSet,
  faces: ReadonlyMap<string, EmbeddedFace>,
  { comparisons, parentDigest }: { readonly comparisons: Comparisons; readonly parentDigest: string },
): Agreement {
  const twinOf: VectorsOf = (image) => faces.get(image)?.twin;
  const parent = compareImages(data, twinOf);
  const mixed = compareImages(data, (image) => {
    const face = faces.get(image);
    return face?.twin && { enrolled: face.twin.enrolled, probe: face.probe };
  });
  const both = [...faces.values()].flatMap(({ probe, twin }) => (twin ? [{ one: twin.probe, other: probe }] : []));
  const { cosines, ...cosine } = vectorAgreement(both);
  const impostors = followedImpostors([...faces]);
  return {
    parentDigest,
    faces: cosine.faces,
    cosine: { mean: cosine.mean, p1: cosine.p1, min: cosine.min, histogram: histogramOf(cosines) },
    genuine: scoreShift(parent.comparisons.genuine.scores, comparisons.genuine.scores),
    impostor: scoreShift(impostors.before, impostors.after),
    parent: acceptRates(measureCompared(data, parent)),
    mixed: acceptRates(measureCompared(data, mixed)),
  };
}

function acceptRates({ rates }: Measurement): Agreement['parent'] {
  return rates.map(({ falseMatchRate, tar }) => ({ falseMatchRate, trueAcceptRate: tar / 100 }));
}

/** Cosines, rising, from the lowest up to 1. */
function histogramOf(cosines: Float32Array): Agreement['cosine']['histogram'] {
  const from = Math.min(0.99, Math.floor((cosines[0] ?? 0) * 100) / 100);
  const counts = Array<number>(COSINE_BINS).fill(0);
  for (const value of cosines) {
    const bin = Math.min(COSINE_BINS - 1, Math.max(0, Math.floor(((value - from) / (1 - from)) * COSINE_BINS)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { from, to: 1, counts };
}

/** Scores of drawn pairs of two people, by the parent and by the variant. */
function followedImpostors(faces: readonly (readonly [string, EmbeddedFace])[]) {
  const random = seededIntegers(1);
  const before: number[] = [];
  const after: number[] = [];
  for (let drawn = 0; drawn < FOLLOWED_PAIRS; drawn += 1) {
    const [one, other] = [faces[random(faces.length)], faces[random(faces.length)]];
    if (!one?.[1].twin || !other?.[1].twin || identityOf(one[0]) === identityOf(other[0])) continue;
    before.push(dot(one[1].twin.enrolled, other[1].twin.probe));
    after.push(dot(one[1].enrolled, other[1].probe));
  }
  return { before: Float32Array.from(before), after: Float32Array.from(after) };
}
