import { resolve } from 'node:path';

import type { Clock, Logger } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';

import type { CapturedFrame, FrameSource } from '../frame-source.js';
import { Pace } from '../pace.js';
import type { DemoPass, DemoScript, DemoTruth } from './script.js';
import { loadActor, posesOf, renderBackground, renderFrames } from './stage.js';
import { TruthJournal } from './truth-journal.js';

export interface DemoCameraOptions {
  readonly cameraId: string;
  readonly script: DemoScript;
  /** Where the script's relative photo paths start. */
  readonly directory: string;
  /** Where the truth is written; nowhere when absent. */
  readonly truthJournal?: string | undefined;
  /** Starts again after the last pass, for ever; the passes of later rounds are journalled as `{id}#{round}`. */
  readonly loop: boolean;
  /** Goes on after the passes that the journal knows, instead of from the beginning. */
  readonly resume: boolean;
  /** At most so many frames a second of real time; the stream's own time runs at the script's rate anyway. */
  readonly framesPerSecond: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Plays a script of passes; ends when it is played. */
export class DemoCamera implements FrameSource {
  readonly #options: DemoCameraOptions;
  readonly #journal: TruthJournal | undefined;
  #index = 0;

  constructor(options: DemoCameraOptions) {
    this.#options = options;
    this.#journal = options.truthJournal === undefined ? undefined : new TruthJournal(options.truthJournal);
  }

  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    const { script, clock, framesPerSecond, resume, cameraId, loop } = this.#options;
    const pace = new Pace(clock, framesPerSecond);
    const background = await renderBackground(script);
    const played = resume ? await this.#journal?.startedPasses(cameraId) : undefined;
    try {
      for (let round = 1; round === 1 || loop; round += 1) {
        for (const [passIndex, pass] of script.passes.entries()) {
          const passId = round === 1 ? pass.id : `${pass.id}#${round}`;
          if (!played?.has(passId)) yield* this.#pass({ ...pass, id: passId }, passIndex, background, pace, signal);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** One person, then the empty room. */
  async *#pass(
    pass: DemoPass,
    passIndex: number,
    background: Frame,
    pace: Pace,
    signal: AbortSignal,
  ): AsyncIterable<CapturedFrame> {
    const { script } = this.#options;
    const actor = await this.#loadActor(pass, passIndex);
    if (actor) {
      await pace.next(signal);
      await this.#write(pass, 'started');
      let first = true;
      for await (const frame of renderFrames(background, actor, posesOf(pass, script, passIndex), pass.jpegQuality)) {
        if (!first) await pace.next(signal);
        first = false;
        yield this.#captured(frame);
      }
      await this.#write(pass, 'ended');
    }
    for (let gap = pass.gapFrames ?? script.gapFrames; gap > 0; gap -= 1) {
      await pace.next(signal);
      yield this.#captured(background);
    }
  }

  async #loadActor(pass: DemoPass, passIndex: number): Promise<Frame | undefined> {
    try {
      return await loadActor(resolve(this.#options.directory, pass.photo), pass, this.#options.script);
    } catch {
      // The picture library's own message names the file, which may be a person's name.
      this.#options.log.warn({ code: 'CAPTURE.FILE_UNREADABLE', passIndex }, 'skipped a pass without a readable photo');
      return undefined;
    }
  }

  #captured(frame: Frame): CapturedFrame {
    const { clock, script } = this.#options;
    const index = this.#index;
    this.#index += 1;
    const streamMs = (index * 1000) / script.framesPerSecond;
    return { frame, index, streamMs, capturedAt: { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() } };
  }

  async #write({ id, label }: DemoPass, event: DemoTruth['event']): Promise<void> {
    const { cameraId, clock } = this.#options;
    await this.#journal?.write({ event, cameraId, passId: id, label, wallMs: Math.floor(clock.wallMs()) });
  }
}
