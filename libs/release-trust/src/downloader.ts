import { AppError, backoffMs, silentLogger, type Clock, type Logger, type Sha256 } from '@sightline/kernel';

import { PartFile } from './part-file.js';
import { digestFile } from './sha256.js';
import { TokenBucket } from './token-bucket.js';

/** One file to bring here. Its length and digest come from signed metadata, so the server need not be trusted. */
export interface DownloadRequest {
  readonly url: string;
  /** Where it goes; `{path}.part` holds the beginning until it is whole. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: Sha256;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the file are here. Falls back to 0 when the file has to start anew. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface DownloaderOptions {
  readonly clock: Clock;
  readonly log?: Logger;
  readonly fetch?: typeof globalThis.fetch;
  /** Attempts in a row that bring the file no further before it fails. Default 5. */
  readonly fruitlessAttempts?: number;
  /** Bounds of the delay between attempts, ms. Default 250 and 10,000. */
  readonly backoff?: { readonly baseMs: number; readonly capMs: number; readonly random?: () => number };
  /** A transfer that is silent for so long is given up and resumed, ms. Default 30,000. */
  readonly stallMs?: number;
  /** A download takes no more of the line than this. Default: as fast as it comes. */
  readonly bytesPerSecond?: number | undefined;
}

/**
 * How one attempt ended.
 * `unreachable`: no answer, an error status or a broken connection. `incomplete`: the server says that it
 * sent all, and it is too little. `overlong`: more bytes than signed. `changed`: the right length, other bytes.
 */
type Outcome = 'complete' | 'unreachable' | 'incomplete' | 'overlong' | 'changed';

/**
 * Brings files over HTTP: resumes with Range, hashes while it streams, stops at the signed length, and
 * gives a file its name only when it is whole, verified and synced.
 */
export class Downloader {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #fetch: typeof globalThis.fetch;
  readonly #fruitlessAttempts: number;
  readonly #backoff: NonNullable<DownloaderOptions['backoff']>;
  readonly #stallMs: number;
  readonly #bucket: TokenBucket | undefined;

  constructor(options: DownloaderOptions) {
    this.#clock = options.clock;
    this.#log = options.log ?? silentLogger;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#fruitlessAttempts = options.fruitlessAttempts ?? 5;
    this.#backoff = options.backoff ?? { baseMs: 250, capMs: 10_000 };
    this.#stallMs = options.stallMs ?? 30_000;
    const { bytesPerSecond, clock } = options;
    this.#bucket = bytesPerSecond === undefined ? undefined : new TokenBucket(bytesPerSecond, clock);
  }

  /**
   * Leaves the verified file at `request.path`. One that is there already and fits is kept; one that
   * does not fit is replaced.
   *
   * @throws AppError `RELEASE.CORRUPT` when the server's file is truncated, too long or changed;
   *   `RELEASE.UNREACHABLE` (retryable; what has arrived is kept) when it does not come;
   *   `RELEASE.STORAGE_FAILED` when the disk refuses it; the signal's reason when aborted
   */
  async download(request: DownloadRequest): Promise<void> {
    const present = await digestFile(request.path, request.signal);
    if (present?.bytes === request.bytes && present.sha256 === request.sha256) {
      request.onBytes?.(request.bytes);
      return;
    }
    const part = await PartFile.open(request.path, request.bytes);
    try {
      await this.#untilComplete(request, part);
    } finally {
      await part.close();
    }
  }

  async #untilComplete(request: DownloadRequest, part: PartFile): Promise<void> {
    let furthest = part.size;
    let fruitless = 0;
    let changed = 0;
    for (;;) {
      request.signal?.throwIfAborted();
      const resumedAt = part.size;
      const outcome = await this.#attempt(request, part);
      if (outcome === 'complete') return;
      if (outcome === 'overlong') throw corrupt('longer than was signed');
      if (outcome === 'changed') {
        changed += 1;
        // A part that an earlier run left may be to blame, so a whole fresh copy gets its chance.
        if (resumedAt === 0 || changed > 1) throw corrupt('changed');
        continue;
      }
      fruitless = part.size > furthest ? 0 : fruitless + 1;
      furthest = Math.max(furthest, part.size);
      if (fruitless >= this.#fruitlessAttempts) {
        throw outcome === 'incomplete' ? corrupt('truncated') : unreachable();
      }
      this.#log.debug({ outcome, have: part.size, of: request.bytes }, 'download interrupted');
      await this.#clock.sleep(backoffMs(fruitless, this.#backoff), request.signal);
    }
  }

  async #attempt(request: DownloadRequest, part: PartFile): Promise<Outcome> {
    if (part.size < request.bytes) {
      const outcome = await this.#transfer(request, part);
      if (outcome !== 'complete') {
        if (outcome === 'overlong') await part.restart();
        return outcome;
      }
    }
    if (part.digest() !== request.sha256) {
      await part.restart();
      request.onBytes?.(0);
      return 'changed';
    }
    await part.commit();
    return 'complete';
  }

  /** One request, appended to the part. `complete` here means: the signed number of bytes is there. */
  async #transfer(request: DownloadRequest, part: PartFile): Promise<Outcome> {
    const stop = new AbortController();
    const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
    try {
      const response = await this.#unlessStalled(this.#fetch(request.url, { headers: rangeFrom(part.size), signal }));
      const body = await acceptBody(response, part);
      if (typeof body === 'string') return body;
      const reader = body.getReader();
      for (;;) {
        const { done, value } = await this.#unlessStalled(reader.read());
        if (done) return part.size === request.bytes ? 'complete' : 'incomplete';
        if (part.size + value.length > request.bytes) return 'overlong';
        await part.append(value);
        request.onBytes?.(part.size);
        // What is not read yet fills the buffers of the connection, and the server waits.
        await this.#bucket?.take(value.length, request.signal);
      }
    } catch (error) {
      request.signal?.throwIfAborted();
      if (error instanceof AppError) throw error;
      return 'unreachable';
    } finally {
      // Ends the connection whatever is still on its way: an endless body must not go on behind our back.
      stop.abort();
    }
  }

  async #unlessStalled<T>(step: Promise<T>): Promise<T> {
    const done = new AbortController();
    const stall = this.#clock.sleep(this.#stallMs, done.signal).then(
      () => {
        throw new Error('the transfer stalled');
      },
      () => new Promise<never>(() => undefined),
    );
    try {
      return await Promise.race([step, stall]);
    } finally {
      done.abort();
      step.catch(() => undefined);
    }
  }
}

// Identity: a compressed body has other lengths and other ranges than the signed bytes.
function rangeFrom(offset: number): Record<string, string> {
  return { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) };
}

/** The body to append to `part`, which is emptied when the server did not resume where it was asked to. */
async function acceptBody(
  response: Response,
  part: PartFile,
): Promise<ReadableStream<Uint8Array> | 'unreachable' | 'incomplete'> {
  if (response.status === 416) {
    // The server's file ends where ours does, before the signed length.
    await part.restart();
    return 'incomplete';
  }
  if (response.body === null || (response.status !== 200 && response.status !== 206)) return 'unreachable';
  if (response.status === 200 && part.size > 0) await part.restart();
  if (response.status === 206) {
    const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (start === undefined || Number(start) !== part.size) {
      await part.restart();
      return 'unreachable';
    }
  }
  return response.body;
}

function corrupt(how: string): AppError {
  return new AppError('RELEASE.CORRUPT', `A file of the release is ${how} on the server.`);
}

function unreachable(): AppError {
  return new AppError('RELEASE.UNREACHABLE', 'A file of the release could not be downloaded.', { retryable: true });
}
