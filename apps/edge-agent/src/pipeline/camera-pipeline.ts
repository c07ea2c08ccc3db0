import { CloseReason } from '@sightline/contracts';
import { backoffMs, errorMessage, isAppError, type AppError, type Clock, type Logger } from '@sightline/kernel';
import type { DetectOptions, Face } from '@sightline/recognition';
import { ByteTracker, type Frame, type TrackerStep, type TrackId } from '@sightline/vision';

import type { CapturedFrame, FrameSource } from '../capture/frame-source.js';
import { isCentredIn, type RelativePolygon } from '../capture/region.js';
import { SightingTrack, type SightingTrackDependencies } from './sighting-track.js';
import { INCOMPARABLE, trackLikeness } from './track-likeness.js';

export interface CameraPipelineOptions extends SightingTrackDependencies {
  readonly source: FrameSource;
  /** Faces whose centre lies outside are ignored; everywhere when absent. */
  readonly regionOfInterest?: RelativePolygon | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface CameraStatus {
  readonly cameraId: string;
  readonly state: 'waiting' | 'running' | 'ended' | 'failed';
  /** Frames that were looked at. */
  readonly frames: number;
  /** Frames that came while another was looked at, and were replaced by newer ones. */
  readonly droppedFrames: number;
  /** Frames in which recognition failed. */
  readonly failedFrames: number;
  /** Code of what keeps frames from coming, from a failure of the source to the next frame. */
  readonly problem: string | null;
  /** Tracks that became sightings. */
  readonly sightings: number;
}

/** Revisions of one camera that may be under way before the camera waits for them. */
const REVISIONS_UNDER_WAY = 8;

/**
 * One camera: frame → faces → tracks → sightings. The next frame is asked for when the last one was looked
 * at; embedding and storing run beside, bounded.
 */
export class CameraPipeline {
  readonly #options: CameraPipelineOptions;
  readonly #tracks = new Map<TrackId, SightingTrack>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #log: Logger;
  #tracker: ByteTracker;
  #status: Omit<CameraStatus, 'cameraId' | 'droppedFrames'> = {
    state: 'waiting',
    frames: 0,
    failedFrames: 0,
    sightings: 0,
    problem: null,
  };
  #failure: string | undefined;

  constructor(options: CameraPipelineOptions) {
    this.#log = options.log.child({ cameraId: options.cameraId });
    this.#options = { ...options, log: this.#log };
    this.#tracker = this.#createTracker();
  }

  get status(): CameraStatus {
    const { cameraId, source } = this.#options;
    return { cameraId, ...this.#status, droppedFrames: source.droppedFrames ?? 0 };
  }

  /**
   * Runs until the source ends or the signal fires, and then until every sighting was closed and stored.
   * Never rejects: a source that cannot go on leaves the camera in the state `failed`.
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.slot.ready(signal);
      this.#status = { ...this.#status, state: 'running' };
      this.#log.info({}, 'camera started');
      await this.#playWithRetries(signal);
      this.#status = { ...this.#status, state: 'ended' };
      this.#log.info({ frames: this.#status.frames, sightings: this.#status.sightings }, 'camera ended');
    } catch (error) {
      if (signal.aborted) return;
      const code = isAppError(error) ? error.code : 'CAPTURE.FAILED';
      this.#status = { ...this.#status, state: 'failed', problem: code };
      this.#log.error({ code, cause: errorMessage(error) }, 'camera failed');
    }
  }

  async #playWithRetries(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const framesBefore = this.#status.frames;
      try {
        await this.#play(signal);
        return;
      } catch (error) {
        if (signal.aborted || !isAppError(error) || !error.retryable) throw error;
        if (this.#status.frames > framesBefore) attempt = 0;
        this.#reportFailedSource(error, attempt);
        await clock.sleep(backoffMs(attempt, { baseMs: 500, capMs: 30_000, random }), signal);
      }
    }
  }

  /** Plays the source once. Its own time starts anew, so tracks never span two plays. */
  async #play(signal: AbortSignal): Promise<void> {
    this.#tracker = this.#createTracker();
    try {
      for await (const captured of this.#options.source.frames(signal)) {
        await this.#frame(captured);
        if (signal.aborted) break;
      }
    } finally {
      this.#end(this.#tracker.finish(), signal.aborted ? CloseReason.AGENT_STOPPED : CloseReason.LEFT);
      await Promise.all(this.#underWay);
    }
  }

  async #frame(captured: CapturedFrame): Promise<void> {
    try {
      // Not aborted at a stop: it takes milliseconds, and the track keeps its last shot.
      await this.#options.slot.use(async ({ recogniser, digest }) => {
        const { faces: found, stageMs } = await recogniser.detect(captured.frame, this.#detectOptions());
        const faces = this.#ofInterest(found, captured.frame);
        this.#tracker.closeAfterMs = this.#options.policy().closeAfterMs;
        const step = this.#tracker.step(faces, captured.streamMs, captured.frame);
        this.#end(step, CloseReason.LEFT);
        this.#join(step.joined);
        for (const { trackId, detection, confirmed } of step.assignments) {
          const face = faces[detection];
          if (!face) continue;
          const observation = { face, captured, stageMs, facesInFrame: found.length, releaseDigest: digest };
          const track = this.#tracks.get(trackId) ?? new SightingTrack(this.#options, observation);
          this.#tracks.set(trackId, track);
          track.observe(observation);
          if (!confirmed || !track.isDue) continue;
          // Before somebody who may have been here a moment ago becomes a sighting of their own, we look.
          const looksFirst = !track.isReported && step.undecided.includes(trackId);
          this.#start(looksFirst ? track.look() : track.report());
        }
        this.#status = { ...this.#status, sightings: this.#status.sightings + step.opened.length };
      });
      this.#failure = undefined;
    } catch (error) {
      this.#reportFailedFrame(error);
    }
    this.#status = { ...this.#status, frames: this.#status.frames + 1, problem: null };
    while (this.#underWay.size >= REVISIONS_UNDER_WAY) await Promise.race(this.#underWay);
  }

  /** Only shots that may become templates are ever scored. */
  #detectOptions(): DetectOptions {
    const { presentation, policy } = this.#options;
    if (presentation === undefined || presentation.mode === 'off') return {};
    return { surroundings: { minimumQuality: policy().minimumQuality } };
  }

  #ofInterest(faces: readonly Face[], frame: Frame): readonly Face[] {
    const { regionOfInterest: region } = this.#options;
    return region ? faces.filter(({ box }) => isCentredIn(region, box, frame)) : faces;
  }

  #createTracker(): ByteTracker {
    const { policy, slot } = this.#options;
    return new ByteTracker({
      birthHits: policy().confirmAfterFrames,
      appearance: {
        similarity: (lost, found) => this.#likeness(lost, found),
        get threshold() {
          return slot.current?.samePersonThreshold ?? Infinity;
        },
      },
    });
  }

  /** Undefined until the found track was looked at. A track that was reported already stays what it is. */
  #likeness(lostId: TrackId, foundId: TrackId): number | undefined {
    const lost = this.#tracks.get(lostId);
    const found = this.#tracks.get(foundId);
    if (!lost?.isReported || !found || found.isReported) return INCOMPARABLE;
    return found.hasLooked ? trackLikeness(lost.templates, found.templates) : undefined;
  }

  #join(joined: TrackerStep['joined']): void {
    for (const { from, into } of joined) {
      const later = this.#tracks.get(from);
      if (later) this.#tracks.get(into)?.absorb(later);
      this.#tracks.delete(from);
    }
  }

  #end(
    { closed, dropped }: Pick<TrackerStep, 'closed' | 'dropped'>,
    reason: CloseReason.LEFT | CloseReason.AGENT_STOPPED,
  ): void {
    for (const trackId of closed) {
      const track = this.#tracks.get(trackId);
      if (track) this.#start(track.close(reason));
    }
    for (const trackId of [...closed, ...dropped]) this.#tracks.delete(trackId);
  }

  #start(revision: Promise<void>): void {
    this.#underWay.add(revision);
    void revision.finally(() => this.#underWay.delete(revision));
  }

  #reportFailedSource({ code, message }: AppError, attempt: number): void {
    const fields = { code, cause: message, attempt };
    const text = 'the camera’s source failed: trying again';
    // A camera that is away for weeks is not to fill the log.
    if (code === this.#status.problem) this.#log.debug(fields, text);
    else this.#log.warn(fields, text);
    this.#status = { ...this.#status, problem: code };
  }

  #reportFailedFrame(error: unknown): void {
    this.#status = { ...this.#status, failedFrames: this.#status.failedFrames + 1 };
    const code = isAppError(error) ? error.code : 'RECOGNITION.FAILED';
    // Once for each kind of trouble in a row, not for each frame.
    if (code !== this.#failure) this.#log.error({ code, cause: errorMessage(error) }, 'recognition failed in a frame');
    this.#failure = code;
  }
}
