import {
  intersectionOverUnion,
  type Box,
  type TrackAssignment,
  type Tracker,
  type TrackerDetection,
  type TrackerStep,
  type TrackId,
} from '@sightline/vision';

export interface IouTrackerOptions {
  /** Least intersection over union of a detection with a track's predicted box, 0 to 1. Default 0.25. */
  readonly minimumIou?: number;
  /** Consecutive frames in which a track must be detected before it is confirmed. Default 2. */
  readonly birthHits?: number;
  /** A confirmed track that was not detected for longer than this is closed, ms. Default 1000. */
  readonly closeAfterMs?: number;
  /** Weight of the newest speed in a track's smoothed speed, 0 to 1. Default 0.5. */
  readonly velocityGain?: number;
  /** A lost track coasts for so long at its last speed, then waits where it is, ms. Default 400. */
  readonly coastMs?: number;
}

interface Track {
  readonly id: TrackId;
  box: Box;
  /** Change of each of the box's numbers, pixels per ms. */
  velocity: Box;
  lastSeenMs: number;
  lastFrame: number;
  hits: number;
  confirmed: boolean;
}

interface Pair {
  readonly track: Track;
  readonly detection: number;
  readonly overlap: number;
}

const STILL: Box = { x: 0, y: 0, width: 0, height: 0 };

/**
 * The baseline: what the agent had before, in a file of its own, so that no change of today's tracker moves it.
 *
 * Each track is moved on at constant velocity, and the pairs of track and detection are taken greedily by falling
 * intersection over union (as SORT does it, Bewley et al. 2016, with a smoothed speed in the place of its Kalman
 * filter). One detection goes to at most one track and one track gets at most one detection a frame, so two faces
 * in one frame are never one track.
 */
export class IouTracker implements Tracker {
  readonly #options: Required<IouTrackerOptions>;
  #closeAfterMs: number;
  #tracks: Track[] = [];
  #nextId: TrackId = 1;
  #nowMs = -Infinity;
  #frame = 0;

  constructor(options: IouTrackerOptions = {}) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#options = {
      minimumIou: 0.25,
      birthHits: 2,
      closeAfterMs: 1000,
      velocityGain: 0.5,
      coastMs: 400,
      ...given,
    };
    this.#closeAfterMs = this.#options.closeAfterMs;
  }

  /** As the option of that name; holds from the next step on. */
  set closeAfterMs(ms: number) {
    this.#closeAfterMs = ms;
  }

  step(detections: readonly TrackerDetection[], atMs: number): TrackerStep {
    this.#nowMs = Math.max(this.#nowMs, atMs);
    this.#frame += 1;
    const overdue = this.#closeOverdue();
    const matches = this.#match(detections);
    const opened: TrackId[] = [];
    const assignments = detections.map(({ box }, detection): TrackAssignment => {
      const track = matches.get(detection) ?? this.#begin(box);
      if (this.#hit(track, box)) opened.push(track.id);
      return { trackId: track.id, detection, confirmed: track.confirmed };
    });
    return {
      ...{ assignments, opened, joined: [], undecided: [], closed: overdue, forgotten: overdue },
      dropped: this.#dropMissed(),
    };
  }

  finish(): Pick<TrackerStep, 'closed' | 'dropped'> {
    const closed = this.#tracks.filter(({ confirmed }) => confirmed).map(({ id }) => id);
    const dropped = this.#tracks.filter(({ confirmed }) => !confirmed).map(({ id }) => id);
    this.#tracks = [];
    return { closed, dropped };
  }

  /** Before matching: whoever steps into the place of somebody long gone is somebody new. */
  #closeOverdue(): TrackId[] {
    const overdue = this.#tracks.filter(
      ({ confirmed, lastSeenMs }) => confirmed && this.#nowMs - lastSeenMs > this.#closeAfterMs,
    );
    this.#tracks = this.#tracks.filter((track) => !overdue.includes(track));
    return overdue.map(({ id }) => id);
  }

  #match(detections: readonly TrackerDetection[]): Map<number, Track> {
    const pairs: Pair[] = [];
    for (const track of this.#tracks) {
      const predicted = this.#predict(track);
      for (const [detection, { box }] of detections.entries()) {
        // A lost track may not have moved on, so the place where it was last seen counts as well.
        const overlap = Math.max(intersectionOverUnion(predicted, box), intersectionOverUnion(track.box, box));
        if (overlap >= this.#options.minimumIou) pairs.push({ track, detection, overlap });
      }
    }
    pairs.sort(
      (a, b) =>
        Number(b.track.confirmed) - Number(a.track.confirmed) || b.overlap - a.overlap || a.track.id - b.track.id,
    );
    const taken = new Set<Track>();
    const matches = new Map<number, Track>();
    for (const { track, detection } of pairs) {
      if (taken.has(track) || matches.has(detection)) continue;
      taken.add(track);
      matches.set(detection, track);
    }
    return matches;
  }

  #predict({ box, velocity, lastSeenMs }: Track): Box {
    const ms = Math.min(this.#nowMs - lastSeenMs, this.#options.coastMs);
    return {
      x: box.x + velocity.x * ms,
      y: box.y + velocity.y * ms,
      width: Math.max(1, box.width + velocity.width * ms),
      height: Math.max(1, box.height + velocity.height * ms),
    };
  }

  #begin(box: Box): Track {
    const track: Track = {
      id: this.#nextId,
      box,
      velocity: STILL,
      lastSeenMs: this.#nowMs,
      lastFrame: this.#frame,
      hits: 0,
      confirmed: false,
    };
    this.#nextId += 1;
    this.#tracks.push(track);
    return track;
  }

  /** @returns whether this detection confirmed the track */
  #hit(track: Track, box: Box): boolean {
    const ms = this.#nowMs - track.lastSeenMs;
    if (ms > 0) track.velocity = this.#smoothVelocity(track, box, ms);
    track.box = box;
    track.lastSeenMs = this.#nowMs;
    track.lastFrame = this.#frame;
    track.hits += 1;
    if (track.confirmed || track.hits < this.#options.birthHits) return false;
    track.confirmed = true;
    return true;
  }

  #smoothVelocity(track: Track, box: Box, ms: number): Box {
    const gain = track.hits === 1 ? 1 : this.#options.velocityGain;
    const blend = (side: keyof Box): number =>
      (1 - gain) * track.velocity[side] + (gain * (box[side] - track.box[side])) / ms;
    return { x: blend('x'), y: blend('y'), width: blend('width'), height: blend('height') };
  }

  /** A track that misses a frame before it was confirmed was a flicker of the detector. */
  #dropMissed(): TrackId[] {
    const dropped = this.#tracks.filter(({ confirmed, lastFrame }) => !confirmed && lastFrame < this.#frame);
    this.#tracks = this.#tracks.filter((track) => !dropped.includes(track));
    return dropped.map(({ id }) => id);
  }
}
