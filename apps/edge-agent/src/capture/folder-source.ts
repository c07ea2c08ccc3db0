import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { AppError, isAppError, type Clock, type Logger } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';

import type { CapturedFrame, FrameSource } from './frame-source.js';
import { Pace } from './pace.js';

const IMAGE_EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp']);
/** Between two looks into a folder that has nothing to show. */
const IDLE_MS = 1000;

export interface FolderSourceOptions {
  readonly directory: string;
  /** Starts again after the last image, for ever. */
  readonly loop: boolean;
  readonly framesPerSecond: number;
  /** Throws a coded error for what is no readable image. */
  readonly decode: (bytes: Uint8Array) => Promise<Frame>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Plays the images of a folder in natural order (2.jpg before 10.jpg). */
export class FolderSource implements FrameSource {
  readonly #options: FolderSourceOptions;
  readonly #reported = new Set<string>();

  constructor(options: FolderSourceOptions) {
    this.#options = options;
  }

  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    const { clock, framesPerSecond, loop } = this.#options;
    const pace = new Pace(clock, framesPerSecond);
    let index = 0;
    try {
      do {
        let shown = 0;
        for (const name of await this.#imageNames()) {
          const frame = await this.#read(name, index);
          index += 1;
          if (!frame) continue;
          await pace.next(signal);
          shown += 1;
          const capturedAt = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
          yield { frame, index: index - 1, streamMs: ((index - 1) * 1000) / framesPerSecond, capturedAt };
        }
        if (shown === 0 && loop) await clock.sleep(IDLE_MS, signal);
      } while (loop);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #imageNames(): Promise<readonly string[]> {
    try {
      const names = await readdir(this.#options.directory);
      return names
        .filter((name) => IMAGE_EXTENSIONS.has(extname(name).toLowerCase()))
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1));
    } catch (cause) {
      throw new AppError('CAPTURE.SOURCE_UNAVAILABLE', 'The image folder cannot be read.', { retryable: true, cause });
    }
  }

  async #read(name: string, index: number): Promise<Frame | undefined> {
    try {
      return await this.#options.decode(await readFile(join(this.#options.directory, name)));
    } catch (error) {
      // Once for each file, and without its name, which may be a person's.
      if (!this.#reported.has(name)) {
        this.#reported.add(name);
        const code = isAppError(error) ? error.code : 'CAPTURE.FILE_UNREADABLE';
        this.#options.log.warn({ code, index }, 'skipped an image that cannot be read');
      }
      return undefined;
    }
  }
}
