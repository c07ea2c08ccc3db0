import { comparisonRateFor, thresholdAt, type CalibrationPoint, unitSum } from '@sightline/matching';

import { product, type Scores } from './scores.js';

const MOST = 3;
const RATES = [0.1, 0.03, 0.01];
const TARGET = 0.01;

const ways = {
  nearest: (scores: readonly number[]) => Math.max(...scores),
  'mean of the nearest two': (scores: readonly number[]) => {
    const [first = -1, second = first] = [...scores].sort((a, b) => b - a);
    return (first + second) / 2;
  },
  'mean of all': (scores: readonly number[]) => scores.reduce((sum, score) => sum + score, 0) / scores.length,
};

interface Best {
  readonly score: number;
  readonly person: number;
}

/**
 * How a person's score is made of several templates: the same probes and strangers for each way; people with four
 * images or more are enrolled, all images of the others are strangers'.
 */
export function severalTemplates(scores: Scores, points: readonly CalibrationPoint[]) {
  const people = scores.imagesOf.filter((images) => images.length > MOST);
  const strangers = scores.imagesOf.filter((images) => images.length <= MOST).flat();
  const probes = people.flatMap((images, person) => images.slice(MOST).map((probe) => ({ probe, person })));
  return [1, 2, MOST].flatMap((templates) => {
    const pooled = people.map((images) =>
      unitSum(images.slice(0, templates).map((image) => scores.vectors[image]?.enrolled ?? new Float32Array())),
    );
    const byTemplates = (way: (scores: readonly number[]) => number) => (probe: number) =>
      people.map((images) => way(images.slice(0, templates).map((image) => scores.score(probe, image))));
    const byPool = (probe: number) => pooled.map((vector) => product(scores.vectors[probe]?.probe, vector));
    const all = [
      ...Object.entries(ways).map(([name, way]) => [name, byTemplates(way)] as const),
      ['pooled', byPool] as const,
    ];
    return all.map(([way, scoresWith]) => {
      const found = probes.map(({ probe, person }) => ({ person, best: bestOf(scoresWith(probe)) }));
      const falling = strangers.map((probe) => bestOf(scoresWith(probe)).score).sort((a, b) => b - a);
      const bar = (comparisons: number) => thresholdAt(points, comparisonRateFor(TARGET, comparisons));
      const fnir = (threshold: number) =>
        percent(found, ({ person, best }) => best.person !== person || best.score < threshold);
      const fpir = (threshold: number) => percent(falling, (score) => score >= threshold);
      return {
        ...{ templates, way, people: people.length, probes: probes.length, strangers: strangers.length },
        fnirAtFpir: Object.fromEntries(
          RATES.map((rate) => [rate, fnir(falling[Math.floor(rate * falling.length)] ?? 1)]),
        ),
        /** At the calibrated threshold for an FPIR of 1 %, by what is counted. */
        fpirByPeople: fpir(bar(people.length)),
        fpirByTemplates: fpir(bar(people.length * templates)),
      };
    });
  });
}

function bestOf(scores: readonly number[]): Best {
  const score = Math.max(...scores);
  return { score, person: scores.indexOf(score) };
}

function percent<T>(values: readonly T[], isOne: (value: T) => boolean): number {
  return (100 * values.filter(isOne).length) / values.length;
}
