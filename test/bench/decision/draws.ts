import { seededIntegers } from '@sightline/kernel';
import { thresholdOf, type CalibrationPoint, type ScoredPerson } from '@sightline/matching';

import { nearestTwo, shuffled, type Scores } from './scores.js';

const DRAWS = 20;
const RATES = [1e-2, 1e-3, 1e-4, 1e-5];
/** Enough of the highest impostor scores for the highest rate. */
const TAIL = 0.011;

/** A probe that was searched with. */
export interface DrawnSearch {
  readonly probe: number;
  /** Whether the person is enrolled. */
  readonly mated: boolean;
  readonly nearest: readonly ScoredPerson[];
}

/** One draw: half of the people calibrate, of the other half some are enrolled and all others are strangers. */
export interface Draw {
  readonly points: readonly CalibrationPoint[];
  readonly enrolled: readonly number[];
  readonly searches: readonly DrawnSearch[];
}

/** Seeded draws of a gallery of a size; the first image of a person is enrolled. */
export function drawsOf(scores: Scores, size: number): Draw[] {
  return Array.from({ length: DRAWS }, (_, draw) => {
    const order = shuffled(scores.imagesOf.length, seededIntegers(draw + 1));
    const half = Math.floor(order.length / 2);
    const [calibrating, judged] = [order.slice(0, half), order.slice(half)];
    const known = new Set(judged.slice(0, size));
    const enrolled = [...known].flatMap((identity) => scores.imagesOf[identity]?.slice(0, 1) ?? []);
    const searches = judged.flatMap((identity) => {
      const mated = known.has(identity);
      const probes = scores.imagesOf[identity]?.slice(mated ? 1 : 0) ?? [];
      return probes.map((probe) => ({ probe, mated, nearest: nearestTwo(scores, probe, enrolled) }));
    });
    return { points: calibrate(scores, calibrating), enrolled, searches };
  });
}

/** The thresholds that a release would state, from the impostor pairs of some people. */
function calibrate(scores: Scores, identities: readonly number[]): CalibrationPoint[] {
  const images = identities.flatMap((identity) => scores.imagesOf[identity] ?? []).sort((a, b) => a - b);
  const impostors: number[] = [];
  images.forEach((enrolled, index) => {
    for (const probe of images.slice(index + 1)) {
      if (scores.identityOf[probe] !== scores.identityOf[enrolled]) impostors.push(scores.score(probe, enrolled));
    }
  });
  const falling = Float32Array.from(impostors).sort().reverse();
  const tail = falling.subarray(0, Math.ceil(TAIL * falling.length));
  return RATES.map((falseMatchRate) => ({
    falseMatchRate,
    threshold: thresholdOf(tail, falling.length, falseMatchRate).threshold,
  }));
}
