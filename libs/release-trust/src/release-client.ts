import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { writeFileDurably } from '@sightline/host';
import {
  AppError,
  ExclusiveRunner,
  isSha256,
  silentLogger,
  type Clock,
  type Logger,
  type Sha256,
} from '@sightline/kernel';
import type { TargetFile } from '@tufjs/models';

import { blobPath, manifestPath, modelFilesOf, openBundle, parseManifest } from './bundle.js';
import { Downloader, type DownloaderOptions } from './downloader.js';
import {
  channelTarget,
  isTargetOfTask,
  manifestTarget,
  modelRoles,
  parseChannel,
  targetUrlPath,
} from './targets-layout.js';
import { TrustedMetadata, type TrustedTargets } from './trusted-metadata.js';

/** Bounds of the small documents and of one model, bytes. */
const CHANNEL_MAX_BYTES = 4096;
const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;
const MODEL_MAX_BYTES = 1024 * 1024 * 1024;

export interface ReleaseClientOptions {
  /** Base address of the repository: `metadata/` and `targets/` lie below it. */
  readonly repositoryUrl: string;
  /** The release directory: models, manifests, metadata and, with `ReleaseStore`, the activation pointer. */
  readonly directory: string;
  /** The pinned root metadata. */
  readonly trustedRoot: Uint8Array;
  readonly clock: Clock;
  readonly log?: Logger;
  readonly fetch?: typeof globalThis.fetch;
  readonly download?: Pick<DownloaderOptions, 'fruitlessAttempts' | 'backoff' | 'stallMs' | 'bytesPerSecond'>;
}

/** Which release: what is given must all agree; nothing given means the channel `default`. */
export interface ReleaseSelector {
  readonly version?: string;
  readonly digest?: Sha256;
  readonly channel?: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Bytes of all model files of the release. */
  readonly onProgress?: (progress: { readonly receivedBytes: number; readonly totalBytes: number }) => void;
}

/**
 * Gets releases from a repository that need not be trusted: TUF says which bytes are meant, the
 * downloader brings them, and only what agrees is kept. One call at a time runs on a directory.
 */
export class ReleaseClient {
  readonly #options: ReleaseClientOptions;
  readonly #log: Logger;
  readonly #metadata: TrustedMetadata;
  readonly #downloader: Downloader;
  readonly #runner = new ExclusiveRunner();

  constructor(options: ReleaseClientOptions) {
    const log = options.log ?? silentLogger;
    const fetch = options.fetch ?? globalThis.fetch;
    const { clock } = options;
    const backoff = options.download?.backoff ?? { baseMs: 250, capMs: 10_000 };
    this.#options = options;
    this.#log = log;
    this.#metadata = new TrustedMetadata({
      url: joinUrl(options.repositoryUrl, 'metadata'),
      directory: join(options.directory, 'metadata'),
      trustedRoot: options.trustedRoot,
      clock,
      log,
      fetcher: { clock, fetch, attempts: 3, timeoutMs: 30_000, backoff },
    });
    this.#downloader = new Downloader({ ...options.download, clock, log, fetch });
  }

  /**
   * Brings a release here and verifies every byte of it. Files that are here already are verified and
   * used again; a download that was interrupted goes on where it stopped.
   *
   * @throws AppError `RELEASE.UNREACHABLE` (retryable), `RELEASE.UNTRUSTED`, `RELEASE.NOT_FOUND`,
   *   `RELEASE.CORRUPT`, `RELEASE.STORAGE_FAILED` (retryable), or the signal's reason
   */
  download(selector: ReleaseSelector = {}, options: DownloadOptions = {}): Promise<VerifiedBundle> {
    return this.#runner.run(() => this.#download(selector, options));
  }

  async #download(selector: ReleaseSelector, { signal, onProgress }: DownloadOptions): Promise<VerifiedBundle> {
    const targets = await this.#metadata.refresh(signal);
    const target = await this.#findManifest(targets, selector, signal);
    const digest = signedDigest(target);
    const bytes = await this.#fetchSmall(target, MANIFEST_MAX_BYTES, signal);
    const manifest = parseManifest(bytes);
    if (manifestTarget(manifest.version) !== target.path) {
      throw untrusted('The manifest names another version than its target.');
    }
    await this.#fetchModels(manifest, targets, { ...(signal && { signal }), ...(onProgress && { onProgress }) });
    // Written last: a manifest in its place means that the release is whole.
    await writeFileDurably(manifestPath(this.#options.directory, digest), bytes);
    this.#log.info({ version: manifest.version, digest }, 'release downloaded and verified');
    return openBundle(this.#options.directory, digest);
  }

  async #findManifest(
    targets: TrustedTargets,
    selector: ReleaseSelector,
    signal: AbortSignal | undefined,
  ): Promise<TargetFile> {
    let { version, digest } = selector;
    if (selector.channel !== undefined || (version === undefined && digest === undefined)) {
      const channel = targets.get(channelTarget(selector.channel ?? 'default'));
      if (channel === undefined) throw notFound('The repository has no such channel.');
      const named = parseChannel(await this.#fetchSmall(channel, CHANNEL_MAX_BYTES, signal));
      if ((version ?? named.version) !== named.version || (digest ?? named.digest) !== named.digest) {
        throw untrusted('The channel names another release than the one that was asked for.');
      }
      ({ version, digest } = named);
    }
    const found =
      version === undefined
        ? [...targets.values()].find((file) => isManifest(file) && file.hashes.sha256 === digest)
        : targets.get(manifestTarget(version));
    if (found === undefined) throw notFound('The repository has no such release.');
    if (digest !== undefined && signedDigest(found) !== digest) {
      throw untrusted('The repository signs another release under this version.');
    }
    return found;
  }

  async #fetchModels(manifest: ReleaseManifest, targets: TrustedTargets, options: DownloadOptions): Promise<void> {
    for (const [task, target] of taskTargets(manifest)) {
      if (!isTargetOfTask(task, target))
        throw untrusted('The manifest has a file of another task in the place of one.');
    }
    const files = modelFilesOf(manifest);
    const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
    let before = 0;
    for (const file of files) {
      const target = targets.get(file.target);
      // Against mix and match: the manifest and the targets are signed apart, and must mean the same bytes.
      if (target?.length !== file.bytes || signedDigest(target) !== file.sha256) {
        throw untrusted('The manifest and the signed targets disagree about a model file.');
      }
      const done = before;
      await this.#fetch(target, MODEL_MAX_BYTES, options.signal, (bytes) => {
        options.onProgress?.({ receivedBytes: done + bytes, totalBytes });
      });
      before += file.bytes;
    }
  }

  async #fetchSmall(target: TargetFile, maximumBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return readFile(await this.#fetch(target, maximumBytes, signal));
  }

  /** @returns where the verified file lies */
  async #fetch(
    target: TargetFile,
    maximumBytes: number,
    signal: AbortSignal | undefined,
    onBytes?: (bytes: number) => void,
  ): Promise<string> {
    if (target.length > maximumBytes) throw untrusted('A signed target is larger than its kind may be.');
    const sha256 = signedDigest(target);
    const path = blobPath(this.#options.directory, sha256);
    const url = joinUrl(this.#options.repositoryUrl, 'targets', targetUrlPath(target.path, sha256));
    await this.#downloader.download({ url, path, bytes: target.length, sha256, signal, onBytes });
    return path;
  }
}

type Task = keyof typeof modelRoles;

const taskTargets = (manifest: ReleaseManifest): readonly (readonly [Task, string])[] =>
  (Object.keys(modelRoles) as Task[]).flatMap((task) => {
    const file = manifest[task];
    return file ? [[task, file.target] as const] : [];
  });

function signedDigest(target: TargetFile): Sha256 {
  const digest = target.hashes.sha256;
  if (digest === undefined || !isSha256(digest)) throw untrusted('A signed target has no SHA-256.');
  return digest;
}

function isManifest(target: TargetFile): boolean {
  return target.path.startsWith('releases/') && target.path.endsWith('/manifest.json');
}

function joinUrl(base: string, ...parts: readonly string[]): string {
  return [base.replace(/\/+$/, ''), ...parts].join('/');
}

const untrusted = (message: string): AppError => new AppError('RELEASE.UNTRUSTED', message);
const notFound = (message: string): AppError => new AppError('RELEASE.NOT_FOUND', message);
