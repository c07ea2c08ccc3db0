import { decideOpenSet, searchPoint, type FalseMatchTarget, deviation, mean } from '@sightline/matching';

import type { Draw } from './draws.js';
import { personOf, type Scores } from './scores.js';

/** What searches come to, shares of their kind in percent. */
export interface Rates {
  /** Strangers who are returned as somebody. */
  readonly fpir: number;
  /** Enrolled people who are not returned as themselves. */
  readonly fnir: number;
  readonly strangersAmbiguous: number;
  readonly rightAmbiguous: number;
  readonly wrong: number;
  readonly wrongAmbiguous: number;
}

/** Decides all searches of a draw as the cloud does. */
export function ratesOf(scores: Scores, draw: Draw, target: FalseMatchTarget, margin?: number): Rates {
  const { threshold, falseMatchRate } = searchPoint(draw.points, target, draw.enrolled.length);
  const counts = { strangers: 0, mated: 0, false: 0, strange: 0, right: 0, unsure: 0, wrong: 0, doubted: 0 };
  for (const { probe, mated, nearest } of draw.searches) {
    const { outcome } = decideOpenSet({ threshold, falseMatchRate, candidates: nearest, margin });
    const isRight = nearest[0]?.personId === personOf(scores, probe);
    counts[mated ? 'mated' : 'strangers'] += 1;
    if (outcome === 'identified') counts[mated ? (isRight ? 'right' : 'wrong') : 'false'] += 1;
    if (outcome === 'ambiguous') counts[mated ? (isRight ? 'unsure' : 'doubted') : 'strange'] += 1;
  }
  const { strangers, mated } = counts;
  const percent = (count: number, of: number): number => (100 * count) / of;
  return {
    fpir: percent(counts.false, strangers),
    fnir: percent(mated - counts.right, mated),
    strangersAmbiguous: percent(counts.strange, strangers),
    rightAmbiguous: percent(counts.unsure, mated),
    wrong: percent(counts.wrong, mated),
    wrongAmbiguous: percent(counts.doubted, mated),
  };
}

export interface SizeRow {
  readonly size: number;
  readonly target: string;
  readonly fpir: { readonly mean: number; readonly deviation: number };
  readonly fnir: { readonly mean: number; readonly deviation: number };
  /** Of the draws' thresholds, how many the calibration could not reach. */
  readonly limited: number;
}

const FALSE_POSITIVE_RATES = [0.1, 0.03, 0.01];
const UNCORRECTED = 1e-4;

/** The rates of one size of gallery, at thresholds with and without the correction. */
export function sizeRows(scores: Scores, size: number, draws: readonly Draw[]): SizeRow[] {
  const targets = [
    { name: 'FMR 1e-4, uncorrected', falseMatchRate: UNCORRECTED },
    ...FALSE_POSITIVE_RATES.map((rate) => ({ name: `FPIR ${rate}`, falseMatchRate: 1e-2, falsePositiveRate: rate })),
  ];
  return targets.map(({ name, ...target }) => {
    const rates = draws.map((draw) => ratesOf(scores, draw, target));
    const spread = (values: readonly number[]) => ({ mean: mean(values), deviation: deviation(values) });
    const points = draws.map((draw) => searchPoint(draw.points, target, draw.enrolled.length));
    return {
      ...{ size, target: name },
      fpir: spread(rates.map(({ fpir }) => fpir)),
      fnir: spread(rates.map(({ fnir }) => fnir)),
      limited: points.filter(({ calibrationLimited }) => calibrationLimited).length,
    };
  });
}

const MARGINS = [0, 0.02, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15];
const MARGIN_TARGET = { falseMatchRate: 1e-2, falsePositiveRate: 0.01 };

/** What a margin to the second person costs, and what it prevents. */
export function marginRows(scores: Scores, size: number, draws: readonly Draw[]) {
  return MARGINS.map((margin) => {
    const rates = draws.map((draw) => ratesOf(scores, draw, MARGIN_TARGET, margin));
    const average = (of: keyof Rates): number => mean(rates.map((one) => one[of]));
    return {
      ...{ size, margin, fpir: average('fpir'), rightAmbiguous: average('rightAmbiguous') },
      ...{ wrong: average('wrong'), wrongAmbiguous: average('wrongAmbiguous') },
      strangersAmbiguous: average('strangersAmbiguous'),
    };
  });
}
