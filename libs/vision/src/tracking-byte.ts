import { surestFirst } from './boxes.js';
import { heaviestMatching } from './tracking-assignment.js';
import {
  correct,
  FAINT_NOISE,
  fit,
  isOutside,
  isTrackable,
  motionFrom,
  predict,
  type BoxMotion,
} from './tracking-motion.js';
import type { JoinedTracks, TrackAssignment, Tracker, TrackerDetection, TrackerStep, TrackId } from './tracking.js';

/** What tracks look like, for joining what motion cannot. */
export interface TrackAppearance {
  /**
   * How alike two tracks look; undefined while that is not known. Asked in each frame for every track that is
   * confirmed and every one that is lost or closed and was last seen before that began: it looks up, not embeds.
   */
  readonly similarity: (lost: TrackId, found: TrackId) => number | undefined;
  /** From this similarity on two tracks are one person's. */
  readonly threshold: number;
}

export interface ByteTrackerOptions {
  /**
   * Detections of at least this score are sure: only they begin tracks and find lost ones. The others may but
   * continue a track of the frame before. 0 to 1. Default 0: the caller passes sure ones only.
   */
  readonly sureScore?: number;
  /** Consecutive frames in which a track must be detected before it is confirmed. Default 2. */
  readonly birthHits?: number;
  /** A confirmed track that was not detected for longer than this is closed, ms. Default 1000. */
  readonly closeAfterMs?: number;
  /**
   * For so long after it closed a track may go on, by appearance alone: whoever comes back is not somebody new, ms.
   * Default 0.
   */
  readonly cooldownMs?: number;
  /** Without it, tracks are joined by motion alone. */
  readonly appearance?: TrackAppearance;
}

/** χ² with four degrees of freedom exceeds it once in a thousand. */
const GATE = 18.47;
/**
 * Logarithm of how many faces (or ghosts) turn up anew, per frame, face area and squared logarithm of size: 0.02 a
 * frame over 150 face areas and half an octave of shapes and sizes.
 */
const LOG_NEW_FACE_DENSITY = Math.log(0.02 / (150 * 0.5));
/** Who is out of sight has left for good with this rate, 1/s. */
const LEAVING_RATE = 0.5;
/** Of a picture whose edges are not known. */
const BOUNDLESS = { width: Infinity, height: Infinity };

interface Track {
  readonly id: TrackId;
  readonly firstFrame: number;
  motion: BoxMotion;
  /** The motion, for the time of the frame that is looked at. */
  predicted: BoxMotion;
  lastSeenMs: number;
  lastFrame: number;
  hits: number;
  confirmed: boolean;
  /** Not seen since it was expected outside the picture: whoever comes in there is somebody else. */
  hasLeft: boolean;
}

interface Candidate extends TrackerDetection {
  readonly index: number;
}

/**
 * Tracks in the manner of ByteTrack (Zhang et al. 2022): confirmed tracks are paired with the sure detections
 * first; those of the last frame that got none take what the detector was unsure of, since a face that is half
 * hidden or turned away scores low yet stays where it was; young tracks take what is left, and what is left then
 * begins new ones.
 *
 * A pair counts by how much likelier the detection is that face, moved on, than a new one (the log-likelihood
 * ratio of Blackman and Popoli 1999, chapter 6), not by overlap: faces are small, and between two frames one may
 * move by more than its width. One detection goes to at most one track and one track gets at most one detection a
 * frame, so two faces in one frame are never one track; nor are they by appearance.
 */
export class ByteTracker implements Tracker {
  readonly #birthHits: number;
  readonly #appearance: TrackAppearance | undefined;
  #sureScore: number;
  #closeAfterMs: number;
  #cooldownMs: number;
  #tracks: Track[] = [];
  /** Closed, for appearance alone. */
  #resting: Track[] = [];
  #nextId: TrackId = 1;
  #nowMs = -Number.MAX_VALUE;
  #frame = 0;

  constructor({
    sureScore = 0,
    birthHits = 2,
    closeAfterMs = 1000,
    cooldownMs = 0,
    appearance,
  }: ByteTrackerOptions = {}) {
    this.#sureScore = sureScore;
    this.#birthHits = birthHits;
    this.#closeAfterMs = closeAfterMs;
    this.#cooldownMs = cooldownMs;
    this.#appearance = appearance;
  }

  /** As the option of that name; holds from the next step on. */
  set closeAfterMs(ms: number) {
    this.#closeAfterMs = ms;
  }

  /** As the option of that name; holds from the next step on. */
  set cooldownMs(ms: number) {
    this.#cooldownMs = ms;
  }

  /** As the option of that name; holds from the next step on. */
  set sureScore(score: number) {
    this.#sureScore = score;
  }

  /**
   * Takes the next frame's detections; an empty frame is a step too, since it lets tracks close.
   *
   * A detection whose box is empty or not finite is passed over. A time that goes back counts as standing still.
   *
   * @param frame its size; with it, a face that walked over its edge is not found again where another comes in
   */
  step(detections: readonly TrackerDetection[], atMs: number, frame = BOUNDLESS): TrackerStep {
    if (atMs > this.#nowMs && atMs < Infinity) this.#nowMs = atMs;
    this.#frame += 1;
    const closed = this.#closeOverdue();
    const forgotten = this.#forgetRested();
    for (const track of this.#tracks) {
      track.predicted = predict(track.motion, (this.#nowMs - track.lastSeenMs) / 1000);
      track.hasLeft ||= isOutside(track.predicted, frame) && !isOutside(track.motion, frame);
    }
    const matches = this.#associate(detections);
    const opened = [...matches.values()].filter((track) => this.#confirm(track)).map(({ id }) => id);
    const { joined, undecided } = this.#join();
    const goesOn = new Map(joined.map(({ from, into }) => [from, into]));
    const assignments = detections.flatMap((_, detection): TrackAssignment[] => {
      const track = matches.get(detection);
      return track ? [{ trackId: goesOn.get(track.id) ?? track.id, detection, confirmed: track.confirmed }] : [];
    });
    return {
      assignments,
      opened: opened.filter((id) => !goesOn.has(id)).sort((one, other) => one - other),
      joined,
      undecided: undecided.filter((id) => !goesOn.has(id)),
      closed,
      forgotten,
      dropped: this.#dropMissed(),
    };
  }

  finish(): Pick<TrackerStep, 'closed' | 'dropped'> {
    const closed = this.#tracks.filter(({ confirmed }) => confirmed).map(({ id }) => id);
    const dropped = this.#tracks.filter(({ confirmed }) => !confirmed).map(({ id }) => id);
    this.#tracks = [];
    this.#resting = [];
    return { closed, dropped };
  }

  /** Before matching: whoever steps into the place of somebody long gone is somebody new. */
  #closeOverdue(): TrackId[] {
    const overdue = this.#tracks.filter(
      ({ confirmed, lastSeenMs }) => confirmed && this.#nowMs - lastSeenMs > this.#closeAfterMs,
    );
    this.#tracks = this.#tracks.filter((track) => !overdue.includes(track));
    this.#resting = [...this.#resting, ...overdue];
    return overdue.map(({ id }) => id);
  }

  #forgetRested(): TrackId[] {
    const restMs = this.#appearance && this.#cooldownMs > 0 ? this.#closeAfterMs + this.#cooldownMs : 0;
    const rested = this.#resting.filter(({ lastSeenMs }) => this.#nowMs - lastSeenMs > restMs);
    this.#resting = this.#resting.filter((track) => !rested.includes(track));
    return rested.map(({ id }) => id);
  }

  /** @returns the track of each detection that has one, by the detection's index */
  #associate(detections: readonly TrackerDetection[]): Map<number, Track> {
    const matches = new Map<number, Track>();
    const candidates = detections
      .map(({ box, score }, index): Candidate => ({ box, score, index }))
      .filter(({ box, score }) => isTrackable(box) && !Number.isNaN(score))
      .sort(surestFirst);
    const sure = candidates.filter(({ score }) => score >= this.#sureScore);
    const faint = candidates.filter(({ score }) => score < this.#sureScore);
    const confirmed = this.#tracks.filter((track) => track.confirmed && !track.hasLeft);
    const young = this.#tracks.filter((track) => !track.confirmed);

    this.#match(confirmed, sure, 1, matches);
    const continuing = confirmed.filter(({ lastFrame }) => lastFrame === this.#frame - 1);
    this.#match(continuing, faint, FAINT_NOISE, matches);
    const left = sure.filter(({ index }) => !matches.has(index));
    this.#match(young, left, 1, matches);
    for (const { index, box } of left) if (!matches.has(index)) matches.set(index, this.#begin(box));
    return matches;
  }

  #match(tracks: readonly Track[], candidates: readonly Candidate[], noise: number, matches: Map<number, Track>): void {
    const weights = tracks.map((track) => candidates.map(({ box }) => this.#weight(track, box, noise)));
    for (const [row, column] of heaviestMatching(weights).entries()) {
      const track = tracks[row];
      const candidate = column === undefined ? undefined : candidates[column];
      if (!track || !candidate) continue;
      track.motion = correct(track.predicted, candidate.box, noise);
      track.lastSeenMs = this.#nowMs;
      track.lastFrame = this.#frame;
      track.hits += 1;
      track.hasLeft = false;
      matches.set(candidate.index, track);
    }
  }

  /** By how much likelier a box is the track's than a new face's; 0 or less when it is not. */
  #weight({ predicted, lastSeenMs }: Track, box: TrackerDetection['box'], noise: number): number {
    const { distance, logLikelihood } = fit(predicted, box, noise);
    if (!(distance <= GATE)) return 0;
    const stayed = (-LEAVING_RATE * (this.#nowMs - lastSeenMs)) / 1000;
    return logLikelihood + stayed - LOG_NEW_FACE_DENSITY;
  }

  #begin(box: TrackerDetection['box']): Track {
    const motion = motionFrom(box);
    const track: Track = {
      id: this.#nextId,
      firstFrame: this.#frame,
      motion,
      predicted: motion,
      lastSeenMs: this.#nowMs,
      lastFrame: this.#frame,
      hits: 1,
      confirmed: false,
      hasLeft: false,
    };
    this.#nextId += 1;
    this.#tracks.push(track);
    return track;
  }

  /** @returns whether this frame confirmed the track */
  #confirm(track: Track): boolean {
    if (track.confirmed || track.hits < this.#birthHits) return false;
    track.confirmed = true;
    return true;
  }

  /** Lets tracks that are lost or closed go on as those that look like them and began after they were seen last. */
  #join(): Pick<TrackerStep, 'joined' | 'undecided'> {
    if (!this.#appearance) return { joined: [], undecided: [] };
    const { similarity, threshold } = this.#appearance;
    const confirmed = this.#tracks.filter((track) => track.confirmed);
    const lost = [...confirmed.filter(({ lastFrame }) => lastFrame < this.#frame), ...this.#resting];
    const undecided = new Set<TrackId>();
    const weights = lost.map((before) =>
      // Also those that are lost again: of a short look it is known only afterwards whom it showed.
      confirmed.map((after) => {
        // Seen in one frame, or in turns: two people.
        if (before.lastFrame >= after.firstFrame) return 0;
        const alike = similarity(before.id, after.id);
        if (alike === undefined) undecided.add(after.id);
        return alike !== undefined && alike >= threshold ? 1 + alike - threshold : 0;
      }),
    );
    const joined: JoinedTracks[] = [];
    const touched = new Set<Track>();
    for (const [row, column] of heaviestMatching(weights).entries()) {
      const into = lost[row];
      const from = column === undefined ? undefined : confirmed[column];
      // Of three that follow each other two are joined now, and the third with both of them next time.
      if (!into || !from || touched.has(into) || touched.has(from)) continue;
      touched.add(into).add(from);
      const { motion, predicted, lastSeenMs, lastFrame, hits, hasLeft } = from;
      Object.assign(into, { motion, predicted, lastSeenMs, lastFrame, hits: into.hits + hits, hasLeft });
      // Also one that had closed is followed again.
      this.#tracks = [...this.#tracks.filter((track) => track !== from && track !== into), into];
      this.#resting = this.#resting.filter((track) => track !== into);
      joined.push({ from: from.id, into: into.id });
    }
    return { joined, undecided: [...undecided] };
  }

  /** A track that misses a frame before it was confirmed was a flicker of the detector. */
  #dropMissed(): TrackId[] {
    const dropped = this.#tracks.filter(({ confirmed, lastFrame }) => !confirmed && lastFrame < this.#frame);
    this.#tracks = this.#tracks.filter((track) => !dropped.includes(track));
    return dropped.map(({ id }) => id);
  }
}
