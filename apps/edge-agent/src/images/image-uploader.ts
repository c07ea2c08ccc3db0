import { createHash } from 'node:crypto';

import { backoffMs, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { ImagePolicy } from './image-policy.js';
import type { ImageSpool, SpooledImage } from './image-spool.js';
import type { SightingImages } from './sighting-images.js';
import type { uploadImage } from './upload-image.js';

/** Images leave the line to what matters more: 64 KiB a second. */
const BYTES_PER_MS = 65.536;
/** How often it is looked whether an image may be uploaded, ms. */
const LOOK_MS = 2000;
const RETRY = { baseMs: 2000, capMs: 600_000 };
/** However long the cloud says to wait, it is asked again after so long, ms. */
const LONGEST_WAIT_MS = 3_600_000;
const DAY_MS = 86_400_000;

interface ImageUploaderOptions {
  readonly spool: ImageSpool;
  readonly images: SightingImages;
  readonly policy: () => ImagePolicy | undefined;
  readonly credentials: { readonly username: string; readonly password: string };
  readonly upload: typeof uploadImage;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface ImageUploadStatus {
  readonly uploaded: number;
  /** That the cloud did not want, or that were damaged. */
  readonly refused: number;
  /** Code of what keeps images from being uploaded at the moment. */
  readonly problem: string | null;
}

/** Uploads images one after another, with patience; empties the spool when the box is to keep none. */
export class ImageUploader {
  readonly #options: ImageUploaderOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #status: ImageUploadStatus = { uploaded: 0, refused: 0, problem: null };
  #today = { day: 0, bytes: 0 };

  constructor(options: ImageUploaderOptions) {
    this.#options = options;
  }

  get status(): ImageUploadStatus {
    return this.#status;
  }

  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the agent stops'));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const waitMs = await this.#step(failures, signal);
      failures = waitMs.failed ? failures + 1 : 0;
      await clock.sleep(waitMs.ms, signal).catch(() => undefined);
    }
  }

  /** Never rejects. @returns how long to wait then */
  async #step(failures: number, signal: AbortSignal): Promise<{ readonly ms: number; readonly failed: boolean }> {
    const { images, spool, policy, random } = this.#options;
    try {
      const wanted = policy();
      if (wanted === undefined) await images.clear();
      else await spool.expire();
      const image = images.next();
      if (wanted === undefined || image === undefined || !this.#mayToday(image, wanted)) {
        return { ms: LOOK_MS * (0.5 + random()), failed: false };
      }
      await this.#upload(image, wanted, signal);
      return { ms: image.bytes / BYTES_PER_MS, failed: false };
    } catch (error) {
      this.#failed(error, signal);
      return { ms: waitAfter(error) ?? backoffMs(failures, { ...RETRY, random }), failed: true };
    }
  }

  async #upload(image: SpooledImage, { uploadUrl: url }: ImagePolicy, signal: AbortSignal): Promise<void> {
    const { images, spool, credentials, upload, log } = this.#options;
    const { digest } = image;
    const sealed = await spool.read(image);
    try {
      if (sealed === undefined || createHash('sha256').update(sealed).digest('hex') !== digest) {
        throw Object.assign(new Error('the file is damaged'), { isDamaged: true });
      }
      await upload({ url, ...credentials, digest, sealed }, signal);
      this.#today.bytes += image.bytes;
      this.#status = { ...this.#status, uploaded: this.#status.uploaded + 1, problem: null };
    } catch (error) {
      const isFinal = isAppError(error) ? !error.retryable : error instanceof Error && 'isDamaged' in error;
      if (!isFinal) throw error;
      const code = isAppError(error) ? error.code : 'IMAGE_UPLOAD.DAMAGED';
      log.info({ code, digest }, 'an image is not wanted, and deleted');
      this.#status = { ...this.#status, refused: this.#status.refused + 1, problem: null };
    }
    await images.done(digest);
  }

  /** Whether an image is within what a day allows. */
  #mayToday({ bytes }: SpooledImage, { maximumBytesPerDay }: ImagePolicy): boolean {
    const day = Math.floor(this.#options.clock.wallMs() / DAY_MS);
    if (day !== this.#today.day) this.#today = { day, bytes: 0 };
    return this.#today.bytes + bytes <= maximumBytesPerDay;
  }

  #failed(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const code = isAppError(error) ? error.code : 'IMAGE_UPLOAD.FAILED';
    // Once for each kind of trouble, not for each attempt.
    if (code !== this.#status.problem) this.#options.log.warn({ code }, 'an image could not be uploaded: trying again');
    this.#status = { ...this.#status, problem: code };
  }
}

function waitAfter(error: unknown): number | undefined {
  const seconds = isAppError(error) ? error.details.retryAfterSeconds : undefined;
  return typeof seconds === 'number' ? Math.min(LONGEST_WAIT_MS, seconds * 1000) : undefined;
}
