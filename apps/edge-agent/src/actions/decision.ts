import type { PersonId, SightingId } from '@sightline/kernel';

/** Who a sighting was decided to be, as local rules see it. */
export interface Decision {
  readonly sightingId: SightingId;
  readonly revision: number;
  readonly cameraId: string;
  readonly outcome: 'identified' | 'unknown';
  /** Undefined when unknown. */
  readonly personId: PersonId | undefined;
  /** Of the person. */
  readonly groups: readonly string[];
  /** Cosine to the nearest person, -1 to 1. */
  readonly score: number;
  /** Of the sighting's best shot, 0 to 1. */
  readonly quality: number;
  /** Of a live presentation, 0 to 1; undefined where nothing has looked. */
  readonly liveScore: number | undefined;
  /** Whether this box decided it, by its cache, or the cloud. */
  readonly source: 'local' | 'cloud';
  /** When the latest frame that was decided upon was captured, ms of this boot. */
  readonly capturedAtMonotonicMs: number;
}
