import type { rest } from '@sightline/contracts';

import { DWELL_BINS, QUALITY_BINS, quantile, SCORE_BINS } from './bins.js';
import type { Distribution } from './distributions.js';
import type { Counts } from './series.js';
import type { TimeBuckets } from './time-buckets.js';

const NOBODY: Counts = { identified: 0, ambiguous: 0, unknown: 0, refused: 0, dwellMs: 0 };

/** Counts as REST shows them. */
export function countsView({ identified, ambiguous, unknown, refused, dwellMs }: Counts = NOBODY) {
  const compared = identified + ambiguous + unknown;
  return {
    sightings: compared + refused,
    ...{ identified, ambiguous, unknown, refused },
    unknownRate: compared === 0 ? null : unknown / compared,
    dwellSeconds: dwellMs / 1000,
  };
}

/** A bucket's beginning. */
export function bucketView({ starts, local }: TimeBuckets, bucket: number) {
  const start = starts[bucket];
  if (start === undefined) throw new Error('a bucket outside of the range');
  return { start: start.toISOString(), localStart: local(start) };
}

/**
 * @param counts of the range, to the quarter of an hour
 * @param histograms of its whole hours (UTC)
 */
export function summaryView(
  counts: Counts | undefined,
  histograms: Distribution | undefined,
): Omit<rest.AnalyticsSummary, 'rolledUpTo'> {
  const view = countsView(counts);
  const dwellAt = (share: number): number => quantile(DWELL_BINS, histograms?.dwells ?? [], share) ?? 0;
  return {
    ...view,
    dwell:
      view.sightings === 0
        ? null
        : {
            meanSeconds: view.dwellSeconds / view.sightings,
            medianSeconds: dwellAt(0.5),
            p90Seconds: dwellAt(0.9),
          },
    medianQuality: quantile(QUALITY_BINS, histograms?.qualities ?? [], 0.5) ?? null,
  };
}

export function distributionView({ identified, ambiguous, unknown, refused, dwellMs, ...row }: Distribution) {
  const { siteId, deviceId, cameraId, releaseDigest, variantDigest } = row;
  return {
    ...{ siteId, deviceId, cameraId, releaseDigest, variantDigest },
    ...countsView({ identified, ambiguous, unknown, refused, dwellMs }),
    identifiedScores: [...row.identifiedScores],
    otherScores: [...row.otherScores],
    qualities: [...row.qualities],
    dwells: [...row.dwells],
  };
}

/** Edges of the histograms' bins, as REST shows them. */
export const binsView = () => ({
  scores: [...SCORE_BINS.edges],
  qualities: [...QUALITY_BINS.edges],
  dwells: [...DWELL_BINS.edges],
});

const measures = {
  identifiedScores: SCORE_BINS,
  otherScores: SCORE_BINS,
  qualities: QUALITY_BINS,
  dwells: DWELL_BINS,
} as const;

/** A line for each bin of each histogram. */
export function distributionLines(row: Distribution): readonly rest.DistributionLine[] {
  const { siteId, deviceId, cameraId, releaseDigest, variantDigest } = row;
  return (Object.keys(measures) as (keyof typeof measures)[]).flatMap((measure) =>
    row[measure].map((count, bin) => ({
      ...{ siteId, deviceId, cameraId, releaseDigest, variantDigest, measure, count },
      from: measures[measure].edges[bin - 1] ?? null,
      to: measures[measure].edges[bin] ?? null,
    })),
  );
}
