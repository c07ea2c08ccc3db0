import { CloseReason } from '@sightline/contracts';
import { backoffMs, errorMessage, isAppError, type AppError, type Clock, type Logger } from '@sightline/kernel';
import type { DetectOptions } from '@sightline/recognition';
import type { Tiling } from '@sightline/vision';

import type { CapturedFrame, FrameSource } from '../capture/frame-source.js';
import { SearchSchedule, type SparingPolicy } from '../sparing/search-schedule.js';
import { CameraTracks, type CameraTracksOptions } from './camera-tracks.js';

export interface CameraPipelineOptions extends CameraTracksOptions {
  readonly source: FrameSource;
  /** Which frames are searched; all when absent. */
  readonly sparing?: SparingPolicy | undefined;
  /** How a wide scene is cut up; not at all when absent. */
  readonly tiles?: Tiling | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface CameraStatus {
  readonly cameraId: string;
  readonly state: 'waiting' | 'running' | 'ended' | 'failed';
  /** Frames that were taken from the source. */
  readonly frames: number;
  /** Those of them that were not searched for faces, because they could show nothing new. */
  readonly sparedFrames: number;
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
  readonly #underWay = new Set<Promise<void>>();
  readonly #log: Logger;
  #status: Omit<CameraStatus, 'cameraId' | 'droppedFrames'> = {
    state: 'waiting',
    frames: 0,
    sparedFrames: 0,
    failedFrames: 0,
    sightings: 0,
    problem: null,
  };
  #failure: string | undefined;

  constructor(options: CameraPipelineOptions) {
    this.#log = options.log.child({ cameraId: options.cameraId });
    this.#options = { ...options, log: this.#log };
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
    const { source, sparing, regionOfInterest } = this.#options;
    const tracks = new CameraTracks(this.#options, (revision) => this.#start(revision));
    const schedule = sparing && new SearchSchedule(sparing, regionOfInterest);
    try {
      for await (const captured of source.frames(signal)) {
        await this.#frame(captured, tracks, schedule);
        if (signal.aborted) break;
      }
    } finally {
      const sightingsBefore = tracks.sightings;
      tracks.end(signal.aborted ? CloseReason.AGENT_STOPPED : CloseReason.LEFT);
      this.#status = { ...this.#status, sightings: this.#status.sightings + tracks.sightings - sightingsBefore };
      await Promise.all(this.#underWay);
    }
  }

  async #frame(captured: CapturedFrame, tracks: CameraTracks, schedule: SearchSchedule | undefined): Promise<void> {
    const { slot, clock, policy } = this.#options;
    const { frame, streamMs } = captured;
    if (schedule?.wants(frame, streamMs, tracks.followed, policy().closeAfterMs) === false) {
      this.#count({ sparedFrames: 1 });
      return;
    }
    const beganMs = clock.monotonicMs();
    const sightingsBefore = tracks.sightings;
    try {
      // Not aborted at a stop: it takes milliseconds, and the track keeps its last shot.
      await slot.use(async ({ recogniser, digest }) => {
        tracks.take(await recogniser.detect(frame, this.#detectOptions()), captured, digest);
      });
      this.#failure = undefined;
    } catch (error) {
      this.#reportFailedFrame(error);
    }
    schedule?.searched(streamMs, clock.monotonicMs() - beganMs);
    this.#count({ sightings: tracks.sightings - sightingsBefore });
    while (this.#underWay.size >= REVISIONS_UNDER_WAY) await Promise.race(this.#underWay);
  }

  /** One more frame has come, and what of it. */
  #count({ sparedFrames = 0, sightings = 0 }: Partial<Pick<CameraStatus, 'sparedFrames' | 'sightings'>>): void {
    const status = this.#status;
    this.#status = {
      ...status,
      frames: status.frames + 1,
      sparedFrames: status.sparedFrames + sparedFrames,
      sightings: status.sightings + sightings,
      problem: null,
    };
  }

  /** Only shots that may become templates are ever scored. */
  #detectOptions(): DetectOptions {
    const { presentation, policy, tiles } = this.#options;
    const isScored = presentation !== undefined && presentation.mode !== 'off';
    return { faint: true, tiles, ...(isScored && { surroundings: { minimumQuality: policy().minimumQuality } }) };
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
