import type { rest } from '@sightline/contracts';
import { driftsAfter, judgeDrift, type DriftRules } from '@sightline/matching';

import { addCounts, noCounts, sightingsIn, type CountedHour, type MeasureCounts } from './camera-distributions.js';

const HOUR_MS = 3_600_000;
/** In the order in which they are shown; `rest.driftMeasures` says what they are. */
const MEASURES = ['identified-score', 'other-score', 'quality'] as const satisfies readonly (keyof MeasureCounts)[];

/** The beginning of the hour that a time is in: what has happened in it is not counted yet. */
export function hourOf(ms: number): Date {
  return new Date(Math.floor(ms / HOUR_MS) * HOUR_MS);
}

export const hoursAfter = (time: Date, hours: number): Date => new Date(time.getTime() + hours * HOUR_MS);

/** A baseline on its way: complete with the hour in which the last sighting that it wants was seen. */
export interface CollectedBaseline {
  readonly counts: MeasureCounts;
  /** Null: there are too few sightings yet. */
  readonly until: Date | null;
}

/** @param hours with their counts, the first one first */
export function collectBaseline(hours: readonly CountedHour[], wantedSightings: number): CollectedBaseline {
  let counts = noCounts;
  for (const { hour, counts: own } of hours) {
    counts = addCounts(counts, own);
    if (sightingsIn(counts) >= wantedSightings) return { counts, until: hoursAfter(hour, 1) };
  }
  return { counts, until: null };
}

/** Compares a window with the baseline, measure by measure. */
export function compareWithBaseline(
  baseline: MeasureCounts,
  window: MeasureCounts,
  { minimumSightings, alertIndex, clearIndex, significance }: rest.DriftPolicy,
): readonly rest.DriftMeasure[] {
  const rules: DriftRules = { minimumSamples: minimumSightings, alertIndex, clearIndex, significance };
  return MEASURES.map((measure) => ({ measure, ...judgeDrift(baseline[measure], window[measure], rules) }));
}

/** Whether a camera drifts after a comparison. One that nothing was seen of any more does not. */
export function isDrifting(drifted: boolean, window: MeasureCounts, measures: readonly rest.DriftMeasure[]): boolean {
  if (sightingsIn(window) === 0) return false;
  return driftsAfter(
    drifted,
    measures.map(({ verdict }) => verdict),
  );
}
