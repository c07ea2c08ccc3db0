import { AppError, backoffMs, type Clock } from '@sightline/kernel';
import type { Fetcher } from 'tuf-js';
import { DownloadHTTPError, DownloadLengthMismatchError } from 'tuf-js/dist/error.js';

export interface MetadataFetcherOptions {
  readonly clock: Clock;
  readonly fetch: typeof globalThis.fetch;
  readonly signal?: AbortSignal | undefined;
  /** Requests for one file before it counts as unreachable. */
  readonly attempts: number;
  /** Bound of one request, body included, ms. */
  readonly timeoutMs: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number; readonly random?: () => number };
}

/**
 * Fetches TUF metadata for tuf-js: bounded in length and time, retried, abortable. tuf-js wraps some
 * network errors in its own, so the last one is remembered: it tells "not reached" from "not trusted".
 */
export class MetadataFetcher implements Fetcher {
  readonly #options: MetadataFetcherOptions;
  #networkError: unknown;

  constructor(options: MetadataFetcherOptions) {
    this.#options = options;
  }

  /** Why a file could not be had, when the network or the server was to blame. */
  get networkError(): unknown {
    return this.#networkError;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const { attempts, backoff, clock, signal } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        return await this.#request(url, maxLength);
      } catch (error) {
        signal?.throwIfAborted();
        // 403 and 404 are answers: that is how a repository says that there is no newer root.
        const answered = error instanceof DownloadHTTPError && (error.statusCode === 403 || error.statusCode === 404);
        if (answered || error instanceof DownloadLengthMismatchError) throw error;
        if (attempt + 1 >= attempts) {
          this.#networkError = error;
          throw error;
        }
      }
      await clock.sleep(backoffMs(attempt, backoff), signal);
    }
  }

  /** tuf-js downloads targets with this; ours come through the resumable downloader. */
  downloadFile<T>(): Promise<T> {
    return Promise.reject(new AppError('SERVICE.INTERNAL', 'Targets are not downloaded through tuf-js.'));
  }

  async #request(url: string, maxLength: number): Promise<Buffer> {
    const { fetch, signal, timeoutMs } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new DownloadHTTPError('the repository answered with an error status', response.status);
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    // Leaving the loop early cancels the body.
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > maxLength) throw new DownloadLengthMismatchError('the metadata file is too long');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}
