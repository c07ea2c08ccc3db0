import { cosine } from '@sightline/matching';
import { openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { embedCentralFaces, readPairs, type Embedded, type Pair } from '../recognition/evaluation.js';
import { writeReport } from './report.js';

const FOLDS = [1, 2, 3, 4, 5];
const RATES = [1e-2, 1e-3, 1e-4, 1e-5];

interface ScoredPair extends Pair {
  /** Below every threshold when a face was missed. */
  readonly score: number;
}

function scorePair(pair: Pair, { vectors }: Embedded): ScoredPair {
  const [one, other] = [vectors.get(pair.one), vectors.get(pair.other)];
  return { ...pair, score: one && other ? cosine(one, other) : -1 };
}

const shareRight = (pairs: readonly ScoredPair[], threshold: number): number =>
  pairs.filter(({ score, same }) => score >= threshold === same).length / pairs.length;

/** Accuracy of each fold at the threshold that is best on the others; the mean, percent. */
function verificationAccuracy(pairs: readonly ScoredPair[]): number {
  const candidates = Array.from({ length: 401 }, (_, step) => step / 1000);
  const ofFolds = FOLDS.map((fold) => {
    const others = pairs.filter((pair) => pair.fold !== fold);
    const rated = candidates.map((threshold) => ({ threshold, share: shareRight(others, threshold) }));
    const best = rated.reduce((one, other) => (other.share > one.share ? other : one));
    return shareRight(
      pairs.filter((pair) => pair.fold === fold),
      best.threshold,
    );
  });
  return (100 * ofFolds.reduce((sum, share) => sum + share, 0)) / FOLDS.length;
}

/** `<identity>_<number>.jpg` */
const identityOf = (image: string): string => image.replace(/_\d+\.jpg$/, '');

interface Comparisons {
  readonly genuine: Float32Array;
  readonly impostor: Float32Array;
}

/** Every image against every other; ascending scores. */
function compareAll(vectors: ReadonlyMap<string, Float32Array>): Comparisons {
  const all = [...vectors].map(([image, vector]) => ({ identity: identityOf(image), vector }));
  const genuine: number[] = [];
  const impostor: number[] = [];
  for (const [at, one] of all.entries()) {
    for (const other of all.slice(at + 1)) {
      (one.identity === other.identity ? genuine : impostor).push(cosine(one.vector, other.vector));
    }
  }
  return { genuine: Float32Array.from(genuine).sort(), impostor: Float32Array.from(impostor).sort() };
}

function operatingPoint({ genuine, impostor }: Comparisons, rate: number) {
  const falseMatches = Math.floor(rate * impostor.length);
  const threshold = impostor[impostor.length - 1 - falseMatches] ?? 1;
  const matched = genuine.filter((score) => score > threshold).length;
  return { threshold, falseMatches, trueAccept: (100 * matched) / genuine.length };
}

const { values } = parseArgs({ options: { data: { type: 'string', default: '../shared/lfw-dev' } } });
const folder = resolve(values.data);
const calibration = new Set((await readFile(join(folder, 'calibration.txt'), 'utf8')).split('\n'));
const images = (await readdir(join(folder, 'images'))).filter(
  (name) => name.endsWith('.jpg') && !calibration.has(name),
);

const recogniser = await openRecogniser({ bundle: await defaultBundle() });
console.error(`Embedding ${images.length} images …`);
const startedAt = performance.now();
const embedded = await embedCentralFaces(recogniser, join(folder, 'images'), new Set(images));
const msPerImage = (performance.now() - startedAt) / images.length;
await recogniser.close();

console.error('Comparing …');
const lfw = verificationAccuracy((await readPairs(folder)).map((pair) => scorePair(pair, embedded)));
const comparisons = compareAll(embedded.vectors);
const points = RATES.map((rate) => ({ rate: rate.toExponential(0), ...operatingPoint(comparisons, rate) }));

console.table(
  points.map(({ rate, threshold, falseMatches, trueAccept }) => ({
    FAR: rate,
    threshold: threshold.toFixed(4),
    'false matches': falseMatches,
    'TAR %': trueAccept.toFixed(2),
  })),
);
console.log(
  `verification accuracy ${lfw.toFixed(2)} %, ${embedded.missed.length} faces missed, ${msPerImage.toFixed(1)} ms an image`,
);
await writeReport('accuracy', {
  accuracy: { lfw },
  tar: Object.fromEntries(points.map(({ rate, trueAccept }) => [rate, trueAccept])),
  thresholds: Object.fromEntries(points.map(({ rate, threshold }) => [rate, threshold])),
  falseMatches: Object.fromEntries(points.map(({ rate, falseMatches }) => [rate, falseMatches])),
  pairs: { genuine: comparisons.genuine.length, impostor: comparisons.impostor.length },
  detection: { misses: embedded.missed.length },
  msPerImage,
});
