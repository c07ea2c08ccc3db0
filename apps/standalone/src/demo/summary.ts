import type { rest } from '@sightline/contracts';

import type { Score } from './scoring.js';

/** What `--json` prints as the last line. */
export interface DemoSummary extends Score {
  readonly enrolled: number;
  readonly release: { readonly version: string; readonly digest: string };
  /** Medians, ms. */
  readonly stageMs: Readonly<Record<'detect' | 'landmarks' | 'align' | 'embed' | 'identify' | 'endToEnd', number>>;
}

const STAGES = ['detect', 'landmarks', 'align', 'embed', 'identify'] as const;

/** The middle value; the mean of the middle two of an even number; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Median of each stage over the sightings, and from the record on the box to the committed decision. */
export function medianStages(sightings: readonly rest.Sighting[]): DemoSummary['stageMs'] {
  const round = (value: number): number => Math.round(value * 100) / 100;
  const stages = STAGES.map((stage) => {
    const values = sightings.flatMap(({ stageMs }) => stageMs[stage] ?? []);
    return [stage, round(median(values))] as const;
  });
  const endToEnd = round(median(sightings.map(({ latencyMs }) => latencyMs)));
  return { ...(Object.fromEntries(stages) as Record<(typeof STAGES)[number], number>), endToEnd };
}
