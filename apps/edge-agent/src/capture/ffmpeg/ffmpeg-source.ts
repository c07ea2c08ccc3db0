import { AppError, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { VideoSourceConfig } from '../../config/camera-config.js';
import type { CapturedFrame, FrameSource } from '../frame-source.js';
import { LatestFrame, type ArrivedFrame } from '../latest-frame.js';
import { diagnose } from './diagnosis.js';
import { FfmpegLog } from './ffmpeg-log.js';
import { ffmpegInvocation } from './invocation.js';
import type { MediaProcess, StartMediaProcess } from './media-process.js';
import { PixmapReader } from './pixmap-reader.js';

export interface FfmpegSourceOptions {
  readonly source: VideoSourceConfig;
  /** While the picture does not change FFmpeg writes it only this often, ms. Absent: each time. */
  readonly stillIntervalMs?: number | undefined;
  readonly start: StartMediaProcess;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Cameras lock an account after a few wrong passwords, and each further attempt keeps it locked. */
const UNAUTHORISED_PAUSE_MS = 300_000;

/** The first frame may take longer: the handshake, FFmpeg's look at the stream, and a camera's next key frame. */
const FIRST_FRAME_MS = 15_000;

/** Why a run is over that did not fail. */
type Ending = 'ended' | 'resolution-changed' | 'slower-than-thought';

/** After so long a stream's rate is known well enough, ms. */
const RATE_KNOWN_MS = 2000;
/** A stream whose rate is this part of what was thought is another one. */
const SLOWER = 0.7;

/**
 * A camera or a file that FFmpeg reads, as a child process. Its output is read as fast as it comes, whatever the
 * consumer does, and the consumer gets the newest frame.
 *
 * The time of a frame is when it has arrived in full: the times that cameras send jump when their clocks are set,
 * restart with them, and MJPEG has none. A file is played at its own pace, so there it is the same.
 */
export class FfmpegSource implements FrameSource {
  readonly #options: FfmpegSourceOptions;
  #droppedFrames = 0;
  #run: Run | undefined;
  /** How far a file was played, ms: where it goes on after FFmpeg broke off. */
  #playedMs = 0;
  #notBeforeMs = -Infinity;
  /** Of the stream, as far as the cap lets it through. */
  #framesPerSecond: number;

  constructor(options: FfmpegSourceOptions) {
    this.#options = options;
    this.#framesPerSecond = options.source.maximumFramesPerSecond;
  }

  get droppedFrames(): number {
    return this.#droppedFrames + (this.#run?.droppedFrames ?? 0);
  }

  /** @throws AppError the codes of {@link diagnose}, `CAPTURE.STALLED`, `CAPTURE.MALFORMED_OUTPUT` */
  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    const { source, clock, log } = this.#options;
    const started = clock.monotonicMs();
    let index = 0;
    try {
      if (started < this.#notBeforeMs) await clock.sleep(this.#notBeforeMs - started, signal);
      while (!signal.aborted) {
        const run = new Run(this.#options, this.#playedMs, this.#framesPerSecond, signal);
        this.#run = run;
        try {
          for (let next = await run.next(); next; next = await run.next()) {
            const { frame, arrivedAt } = next;
            const streamMs = arrivedAt.monotonicMs - started;
            yield { frame, index: index + next.index, streamMs, capturedAt: arrivedAt };
          }
        } finally {
          await run.stop();
          this.#run = undefined;
          index += run.arrivedFrames;
          this.#droppedFrames += run.droppedFrames;
          this.#playedMs += run.playedMs;
        }
        if (run.ending === 'resolution-changed') log.info({}, 'the stream’s resolution has changed');
        else if (run.ending === 'slower-than-thought') this.#framesPerSecond = run.framesPerSecond;
        else {
          this.#playedMs = 0;
          if (source.kind !== 'file' || !source.loop) return;
        }
      }
    } catch (error) {
      if (isAppError(error, 'CAPTURE.UNAUTHORISED')) this.#notBeforeMs = clock.monotonicMs() + UNAUTHORISED_PAUSE_MS;
      if (!signal.aborted) throw error;
    }
  }
}

/** One FFmpeg, from its start to its end. */
class Run {
  readonly #options: FfmpegSourceOptions;
  readonly #latest = new LatestFrame();
  readonly #over = new AbortController();
  readonly #process: Promise<MediaProcess | undefined>;
  readonly #abort = (): void => this.#finish();
  readonly #signal: AbortSignal;
  #firstMs: number | undefined;
  #lastMs: number;
  #ending: Ending = 'ended';
  readonly #thoughtRate: number;
  /** Frames that the log told of, and when the first was. */
  #told = 0;
  #toldSinceMs = 0;

  constructor(options: FfmpegSourceOptions, startMs: number, framesPerSecond: number, signal: AbortSignal) {
    this.#options = options;
    this.#thoughtRate = framesPerSecond;
    this.#signal = signal;
    this.#lastMs = options.clock.monotonicMs();
    signal.addEventListener('abort', this.#abort, { once: true });
    if (signal.aborted) this.#finish();
    this.#process = this.#play(startMs).catch((error: unknown) => {
      this.#finish(asError(error));
      return undefined;
    });
    void this.#watch();
  }

  get arrivedFrames(): number {
    return this.#latest.arrived;
  }

  get droppedFrames(): number {
    return this.#latest.dropped;
  }

  /** From the first frame to the last, ms. */
  get playedMs(): number {
    return this.#firstMs === undefined ? 0 : this.#lastMs - this.#firstMs;
  }

  /** As the log told of frames; only so long as some of them are not written. */
  get framesPerSecond(): number {
    return ((this.#told - 1) * 1000) / (this.#lastMs - this.#toldSinceMs);
  }

  get ending(): Ending {
    return this.#ending;
  }

  next(): Promise<ArrivedFrame | undefined> {
    return this.#latest.take();
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#finish();
    this.#signal.removeEventListener('abort', this.#abort);
    await (await this.#process)?.stop();
  }

  async #play(startMs: number): Promise<MediaProcess> {
    const { source, start, clock } = this.#options;
    const log = new FfmpegLog(
      () => {
        // FFmpeg squeezes what comes now into the first frame's shape. A file is left to that: starting it again
        // would find the place, but not the very frame.
        if (source.kind === 'file') return;
        this.#ending = 'resolution-changed';
        this.#finish();
      },
      () => this.#frameTold(),
    );
    const reader = new PixmapReader({
      buffer: (bytes) => this.#latest.buffer(bytes),
      maximumBytes: source.maximumWidth * source.maximumHeight * 3,
      onFrame: (frame) => {
        this.#lastMs = clock.monotonicMs();
        this.#firstMs ??= this.#lastMs;
        this.#latest.offer(frame, { monotonicMs: this.#lastMs, wallMs: clock.wallMs() });
      },
    });
    const onOutput = (chunk: Uint8Array): void => {
      if (this.#over.signal.aborted) return;
      try {
        reader.push(chunk);
      } catch (error) {
        this.#finish(asError(error));
      }
    };
    const process = await start(ffmpegInvocation(source, startMs, this.#stillFrames), {
      onOutput,
      onLog: (text) => log.push(text),
    });
    void process.exited.then((exit) => {
      const { arrived: frames } = this.#latest;
      this.#finish(diagnose(source, { exit, complaints: log.complaints, frames, resumed: startMs > 0 }));
    });
    return process;
  }

  /** Frames in a row that need not be written while nothing changes. */
  get #stillFrames(): number {
    return Math.max(0, Math.round(((this.#options.stillIntervalMs ?? 0) * this.#thoughtRate) / 1000) - 1);
  }

  /**
   * A frame has come, written or not. FFmpeg leaves frames out by number, not by time, so a stream that is slower than
   * thought is asked for anew.
   */
  #frameTold(): void {
    this.#lastMs = this.#options.clock.monotonicMs();
    if (this.#told === 0) this.#toldSinceMs = this.#lastMs;
    this.#told += 1;
    if (this.#lastMs - this.#toldSinceMs < RATE_KNOWN_MS || this.framesPerSecond >= SLOWER * this.#thoughtRate) return;
    this.#ending = 'slower-than-thought';
    this.#finish();
  }

  /** Ends the run when no frame comes. */
  async #watch(): Promise<void> {
    const { source, clock } = this.#options;
    try {
      for (let leftMs = this.#patienceMs; leftMs > 0; leftMs = this.#lastMs + this.#patienceMs - clock.monotonicMs()) {
        // No longer, because with the first frame patience becomes shorter.
        await clock.sleep(Math.min(leftMs, source.stallAfterMs), this.#over.signal);
      }
      const message = `No frame has come for ${this.#patienceMs / 1000} s.`;
      this.#finish(new AppError('CAPTURE.STALLED', message, { retryable: true }));
    } catch (error) {
      if (!this.#over.signal.aborted) this.#finish(asError(error));
    }
  }

  get #patienceMs(): number {
    const { stallAfterMs } = this.#options.source;
    return this.#firstMs === undefined ? Math.max(stallAfterMs, FIRST_FRAME_MS) : stallAfterMs;
  }

  #finish(error?: Error): void {
    this.#latest.finish(error);
    this.#over.abort();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
