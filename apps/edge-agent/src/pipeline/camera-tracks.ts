import { CloseReason } from '@sightline/contracts';
import type { DetectionResult, Face } from '@sightline/recognition';
import { ByteTracker, distance, type Box, type Frame, type TrackerStep, type TrackId } from '@sightline/vision';

import type { CapturedFrame } from '../capture/frame-source.js';
import { isCentredIn, type RelativePolygon } from '../capture/region.js';
import { nobody, type Followed } from '../sparing/search-schedule.js';
import { SightingTrack, type ClosingReason, type SightingTrackDependencies } from './sighting-track.js';
import { INCOMPARABLE, trackLikeness } from './track-likeness.js';

export interface CameraTracksOptions extends SightingTrackDependencies {
  /** Faces whose centre lies outside are ignored; everywhere when absent. */
  readonly regionOfInterest?: RelativePolygon | undefined;
}

/** Where a track's face was last. */
interface Place {
  readonly box: Box;
  readonly atMs: number;
}

/** A face that moves by no more than this is steady: parts of its size, by the detector's own jitter … */
const JITTER = 0.1;
/** … and a second: a head that sways. Who walks moves by five and more. */
const STEADY_SPEED = 1;

/**
 * The tracks of one play of a camera: faces → tracks → sightings. A sighting that closed is kept for the cooldown, in
 * which it goes on when the same face comes back.
 */
export class CameraTracks {
  readonly #options: CameraTracksOptions;
  /** Takes each revision that begins. */
  readonly #start: (revision: Promise<void>) => void;
  readonly #tracks = new Map<TrackId, SightingTrack>();
  readonly #tracker: ByteTracker;
  #places: ReadonlyMap<TrackId, Place> = new Map();
  #followed = nobody;
  #sightings = 0;

  constructor(options: CameraTracksOptions, start: (revision: Promise<void>) => void) {
    const { policy, slot } = options;
    this.#options = options;
    this.#start = start;
    this.#tracker = new ByteTracker({
      birthHits: policy().confirmAfterFrames,
      appearance: {
        similarity: (lost, found) => this.#likeness(lost, found),
        get threshold() {
          return slot.current?.samePersonThreshold ?? Infinity;
        },
      },
    });
  }

  /** Who was followed in the last frame that was searched. */
  get followed(): Followed {
    return this.#followed;
  }

  /** Tracks that became sightings. */
  get sightings(): number {
    return this.#sightings;
  }

  /** Takes what was found in a frame. @param releaseDigest of the release that found it */
  take(found: DetectionResult, captured: CapturedFrame, releaseDigest: string): void {
    const faces = this.#ofInterest(found.faces, captured.frame);
    const faint = this.#ofInterest(found.faint ?? [], captured.frame);
    const { closeAfterMs, cooldownMs } = this.#options.policy();
    this.#tracker.closeAfterMs = closeAfterMs;
    this.#tracker.cooldownMs = cooldownMs;
    // Whatever the release's threshold is, it lies between them.
    this.#tracker.sureScore = Math.min(...faces.map(({ score }) => score));
    const step = this.#tracker.step([...faces, ...faint], captured.streamMs, captured.frame);
    this.#close(step.closed, CloseReason.LEFT);
    this.#join(step.joined);
    for (const trackId of [...step.forgotten, ...step.dropped]) this.#tracks.delete(trackId);
    const { stageMs } = found;
    for (const { trackId, detection, confirmed } of step.assignments) {
      const face = faces[detection];
      if (!face) {
        this.#tracks.get(trackId)?.glimpse(captured);
        continue;
      }
      const observation = { face, captured, stageMs, facesInFrame: found.faces.length, releaseDigest };
      const track = this.#tracks.get(trackId) ?? new SightingTrack(this.#options, observation);
      this.#tracks.set(trackId, track);
      track.observe(observation);
      if (confirmed && track.isDue) this.#reportOrLook(track, step.undecided.includes(trackId));
    }
    this.#follow(step, faces, captured.streamMs);
  }

  /** Closes what is in view or lost. */
  end(reason: ClosingReason): void {
    this.#close(this.#tracker.finish().closed, reason);
    this.#tracks.clear();
    this.#followed = nobody;
  }

  /** Before somebody who may have been here a moment ago becomes a sighting of their own, we look. */
  #reportOrLook(track: SightingTrack, isUndecided: boolean): void {
    if (!track.isReported && isUndecided) {
      this.#start(track.look());
      return;
    }
    if (!track.isReported) this.#sightings += 1;
    this.#start(track.report());
  }

  #follow({ assignments }: TrackerStep, faces: readonly Face[], atMs: number): void {
    const places = new Map<TrackId, Place>();
    const steady: Box[] = [];
    for (const { trackId, detection, confirmed } of assignments) {
      const box = faces[detection]?.box;
      if (!box) continue;
      const before = this.#places.get(trackId);
      places.set(trackId, { box, atMs });
      const isSettled = confirmed && this.#tracks.get(trackId)?.isSettled === true;
      if (isSettled && before && isSteady(before, { box, atMs })) steady.push(box);
    }
    this.#places = places;
    let inView = 0;
    for (const [trackId, track] of this.#tracks) {
      if (track.isClosed) continue;
      inView += 1;
      // Out of sight: it may be a piece of somebody's way, which only their looks can tell.
      if (!places.has(trackId) && !track.isReported && !track.hasLooked) this.#start(track.look());
    }
    this.#followed = { unsettled: inView > steady.length, steady };
  }

  #ofInterest<T extends { readonly box: Box }>(found: readonly T[], frame: Frame): readonly T[] {
    const { regionOfInterest: region } = this.#options;
    return region ? found.filter(({ box }) => isCentredIn(region, box, frame)) : found;
  }

  /** Undefined until both were looked at. A later track that was reported already stays what it is. */
  #likeness(lostId: TrackId, foundId: TrackId): number | undefined {
    const lost = this.#tracks.get(lostId);
    const found = this.#tracks.get(foundId);
    if (!lost || !found || found.isReported) return INCOMPARABLE;
    if (!found.hasLooked || !(lost.hasLooked || lost.isReported)) return undefined;
    return trackLikeness(lost.templates, found.templates);
  }

  #join(joined: TrackerStep['joined']): void {
    for (const { from, into } of joined) {
      const later = this.#tracks.get(from);
      if (later) this.#tracks.get(into)?.absorb(later);
      this.#tracks.delete(from);
    }
  }

  #close(closed: readonly TrackId[], reason: ClosingReason): void {
    for (const trackId of closed) {
      const track = this.#tracks.get(trackId);
      if (!track) continue;
      if (!track.isReported) this.#sightings += 1;
      this.#start(track.close(reason));
    }
  }
}

function isSteady(before: Place, after: Place): boolean {
  const size = Math.sqrt(after.box.width * after.box.height);
  const moved = distance(centreOf(before.box), centreOf(after.box)) / size;
  return moved <= JITTER + (STEADY_SPEED * (after.atMs - before.atMs)) / 1000;
}

function centreOf({ x, y, width, height }: Box): { readonly x: number; readonly y: number } {
  return { x: x + width / 2, y: y + height / 2 };
}
