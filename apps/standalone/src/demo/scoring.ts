import type { Pass } from './truth.js';

/** What the cloud holds of one sighting. */
export interface ScoredSighting {
  readonly id: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly outcome: 'identified' | 'ambiguous' | 'unknown' | 'refused';
  readonly personId: string | null;
}

export interface Score {
  readonly passes: number;
  readonly sightings: number;
  /** Sightings of enrolled people. */
  readonly ofEnrolled: number;
  readonly identified: number;
  /** Enrolled people taken for somebody else. */
  readonly misidentified: number;
  /** Sightings of people who are not enrolled. */
  readonly ofUnknown: number;
  readonly unknownAsSomeone: number;
  /** Passes without a sighting in the cloud. */
  readonly lost: number;
  /** Sightings beyond the first of a pass, and sightings of no pass. */
  readonly duplicates: number;
}

/** The pass that overlaps a sighting most, if any does. */
export function passOf(sighting: ScoredSighting, passes: readonly Pass[]): Pass | undefined {
  let best: Pass | undefined;
  let bestOverlap = 0;
  for (const pass of passes) {
    // One millisecond more, since a sighting of a single frame has no extent.
    const overlap = Math.min(pass.endMs, sighting.lastSeenMs) - Math.max(pass.startMs, sighting.firstSeenMs) + 1;
    if (overlap > bestOverlap) [best, bestOverlap] = [pass, overlap];
  }
  return best;
}

/** Holds what the cloud says against what the camera showed. */
export function scoreSightings(passes: readonly Pass[], sightings: readonly ScoredSighting[]): Score {
  const seen = new Set<string>();
  const score = { ofEnrolled: 0, identified: 0, misidentified: 0, ofUnknown: 0, unknownAsSomeone: 0, duplicates: 0 };
  for (const sighting of sightings) {
    const pass = passOf(sighting, passes);
    if (!pass || seen.has(pass.passId)) score.duplicates += 1;
    if (!pass) continue;
    seen.add(pass.passId);
    const someone = sighting.outcome === 'identified';
    if (pass.personId === null) {
      score.ofUnknown += 1;
      if (someone) score.unknownAsSomeone += 1;
    } else {
      score.ofEnrolled += 1;
      if (someone && sighting.personId === pass.personId) score.identified += 1;
      if (someone && sighting.personId !== pass.personId) score.misidentified += 1;
    }
  }
  return { passes: passes.length, sightings: sightings.length, ...score, lost: passes.length - seen.size };
}
