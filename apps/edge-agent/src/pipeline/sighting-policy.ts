import { minimumQuality } from '@sightline/recognition';

/** How sightings are made of tracks. All times are ms of the stream's own time. */
export interface SightingPolicy {
  /** Shots below this quality are not embedded, 0 to 1. */
  readonly minimumQuality: number;
  /** Templates that a sighting carries at most. */
  readonly bestShots: number;
  /** Consecutive frames that must show a face before its track counts: a detector's ghosts are short-lived. */
  readonly confirmAfterFrames: number;
  /** A track that was not seen for so long is closed. */
  readonly closeAfterMs: number;
  /** Who comes back within so long after that, by the looks of the face, goes on with the same sighting. */
  readonly cooldownMs: number;
  /** At most one best shot comes from each stretch of so long: neighbours look alike. */
  readonly shotSpacingMs: number;
  /** A sighting opens once it has so many shots that are good enough … */
  readonly openAfterShots: number;
  /** … or was seen for so long, with one of them. */
  readonly openAfterMs: number;
  /** A shot this much better than the best that was sent is worth an update, 0 to 1. */
  readonly updateGain: number;
  /** Updates of one sighting lie at least so far apart. */
  readonly updateIntervalMs: number;
}

export const defaultSightingPolicy: SightingPolicy = {
  minimumQuality: minimumQuality.identification,
  bestShots: 3,
  confirmAfterFrames: 3,
  closeAfterMs: 1000,
  cooldownMs: 5000,
  shotSpacingMs: 250,
  openAfterShots: 3,
  openAfterMs: 500,
  updateGain: 0.1,
  updateIntervalMs: 1000,
};
