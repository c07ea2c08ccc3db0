import type { Box, Frame } from './frame.js';

/** Names one track of one tracker; never used twice. */
export type TrackId = number;

/** One thing found in one frame. */
export interface TrackerDetection {
  readonly box: Box;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
}

export interface TrackAssignment {
  readonly trackId: TrackId;
  /** Index of the detection in the frame's list. */
  readonly detection: number;
  /** False while the track is too young to be reported. */
  readonly confirmed: boolean;
}

/** A track that turned out to go on with what an older one had begun. */
export interface JoinedTracks {
  /** Ended: what was gathered for it belongs to the other now. */
  readonly from: TrackId;
  /** Was lost, or had closed not long ago, and goes on. */
  readonly into: TrackId;
}

export interface TrackerStep {
  /** In the order of the detections, for each at most one; no two of them share a track. */
  readonly assignments: readonly TrackAssignment[];
  /** Tracks that were confirmed by this frame. */
  readonly opened: readonly TrackId[];
  /** Tracks that became one in this frame; the assignments already name the one that goes on. */
  readonly joined: readonly JoinedTracks[];
  /** Confirmed tracks that may go on with what an older one had begun: nobody knows yet how alike they look. */
  readonly undecided: readonly TrackId[];
  /** Confirmed tracks that ended. They get no further detection, unless a later step joins another into them. */
  readonly closed: readonly TrackId[];
  /** Closed tracks that nothing will be joined into any more. */
  readonly forgotten: readonly TrackId[];
  /** Tracks that ended before they were confirmed: forget them. */
  readonly dropped: readonly TrackId[];
}

/**
 * Follows things from frame to frame. Times are milliseconds of the stream and never go backwards.
 * Not in this port: pictures, identities, and what a track is used for.
 */
export interface Tracker {
  /** Takes the next frame's detections; an empty frame is a step too, since it lets tracks close. */
  step(detections: readonly TrackerDetection[], atMs: number, frame?: Pick<Frame, 'width' | 'height'>): TrackerStep;

  /** Ends every track, as at the end of the stream; those that had closed before are forgotten. */
  finish(): Pick<TrackerStep, 'closed' | 'dropped'>;
}
