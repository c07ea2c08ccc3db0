import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileDurably } from '@sightline/host';
import { AppError, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Metadata, MetadataKind, type TargetFile, type Targets } from '@tufjs/models';
import { Updater } from 'tuf-js';

import { MetadataFetcher, type MetadataFetcherOptions } from './metadata-fetcher.js';
import { sha256Of } from './sha256.js';

/** In the order in which one vouches for the next. */
const TOP_LEVEL = [MetadataKind.Root, MetadataKind.Timestamp, MetadataKind.Snapshot, MetadataKind.Targets] as const;

/** Bounds of the metadata files, bytes. */
const LIMITS = {
  rootMaxLength: 512_000,
  timestampMaxLength: 16_384,
  snapshotMaxLength: 2_000_000,
  targetsMaxLength: 5_000_000,
};

export interface TrustedMetadataOptions {
  /** Base address of `timestamp.json` and its like. */
  readonly url: string;
  readonly directory: string;
  /** The root that the device was provisioned with. */
  readonly trustedRoot: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fetcher: Omit<MetadataFetcherOptions, 'signal'>;
}

/** Path of a target → its signed length and hashes. */
export type TrustedTargets = ReadonlyMap<string, TargetFile>;

/**
 * The cache of TUF metadata, and its refresh by tuf-js (client workflow, TUF 1.0.31 section 5).
 *
 * tuf-js writes its cache in place and without a sync, so it works on a copy; each file that it accepted
 * then replaces ours in one step. The cache belongs to one pinned root: another pin has another cache.
 */
export class TrustedMetadata {
  readonly #options: TrustedMetadataOptions;
  readonly #cache: string;

  constructor(options: TrustedMetadataOptions) {
    this.#options = options;
    this.#cache = join(options.directory, sha256Of(options.trustedRoot).slice(0, 16));
  }

  /**
   * Brings the metadata up to date and verifies all of it.
   *
   * @throws AppError `RELEASE.UNREACHABLE` (retryable), `RELEASE.UNTRUSTED` with the reason as cause, or
   *   the signal's reason
   */
  async refresh(signal?: AbortSignal): Promise<TrustedTargets> {
    const work = `${this.#cache}.refresh`;
    await this.#prepare(work);
    const fetcher = new MetadataFetcher({ ...this.#options.fetcher, signal });
    const referenceMs = Math.max(this.#options.clock.wallMs(), await this.#highWaterMs());
    try {
      const updater = new Updater({ metadataDir: work, metadataBaseUrl: this.#options.url, fetcher, config: LIMITS });
      await updater.refresh();
      await this.#refreshDelegated(updater, work);
    } catch (cause) {
      signal?.throwIfAborted();
      throw fetcher.networkError === undefined ? untrusted(cause) : unreachable(fetcher.networkError);
    } finally {
      // After a failure too: what was accepted by then protects against an older one later (5.3.8, 5.4.5).
      await this.#promote(work);
    }
    await this.#refuseExpired(referenceMs);
    await this.#raiseHighWater(referenceMs);
    return this.#targets();
  }

  /** Fills the working copy. A root that cannot be read is replaced by the pinned one. */
  async #prepare(work: string): Promise<void> {
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    await mkdir(this.#cache, { recursive: true });
    for (const name of await metadataFiles(this.#cache)) await copyFile(join(this.#cache, name), join(work, name));
    try {
      // The constructor reads root.json and verifies that it is signed by itself.
      new Updater({ metadataDir: work, metadataBaseUrl: this.#options.url });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#options.log.warn({ reason: errorMessage(error) }, 'the cached root is damaged: starting from the pinned');
      }
      await writeFileDurably(join(work, `${MetadataKind.Root}.json`), this.#options.trustedRoot);
    }
  }

  /** Has every delegated role brought up to date: tuf-js does it for a target that a role might have. */
  async #refreshDelegated(updater: Updater, work: string): Promise<void> {
    const targets = await loadTargets(work);
    for (const { paths = [] } of delegatedBy(targets))
      await updater.getTargetInfo((paths[0] ?? '').replaceAll('*', '-'));
  }

  async #promote(work: string): Promise<void> {
    for (const name of await metadataFiles(work)) {
      const accepted = await readFile(join(work, name));
      const cached = await readFile(join(this.#cache, name)).catch(ignoreMissing);
      if (!cached?.equals(accepted)) await writeFileDurably(join(this.#cache, name), accepted);
    }
    await rm(work, { recursive: true, force: true });
  }

  /**
   * tuf-js holds the metadata against the machine's clock alone. A box that boots in 1970 would take
   * whatever it is given: this holds it against max(now, high-water mark) as well (DESIGN, decision 14).
   */
  async #refuseExpired(referenceMs: number): Promise<void> {
    const delegated = delegatedBy(await loadTargets(this.#cache)).map(({ name }) => name);
    for (const role of [...TOP_LEVEL, ...delegated]) {
      const { signed } = (await readMetadata(this.#cache, role)) as { readonly signed: { readonly expires: string } };
      // Negated, so that a date that cannot be read counts as past.
      if (!(Date.parse(signed.expires) > referenceMs)) throw untrusted(new Error(`${role}.json is expired`));
    }
  }

  /**
   * The latest moment at which all metadata was valid. Only such moments are kept, so that a clock that
   * ran ahead cannot poison the mark by more than the validity of a timestamp.
   */
  async #highWaterMs(): Promise<number> {
    const text = await readFile(join(this.#cache, 'high-water-ms'), 'utf8').catch(ignoreMissing);
    const value = Number(text ?? 0);
    return Number.isFinite(value) ? value : 0;
  }

  async #raiseHighWater(referenceMs: number): Promise<void> {
    if (referenceMs > (await this.#highWaterMs())) {
      await writeFileDurably(join(this.#cache, 'high-water-ms'), String(Math.floor(referenceMs)));
    }
  }

  /** The targets of all roles. What a role says outside of what was delegated to it does not count (5.6.7). */
  async #targets(): Promise<TrustedTargets> {
    const targets = await loadTargets(this.#cache);
    const trusted = new Map(Object.entries(targets.signed.targets));
    for (const role of delegatedBy(targets)) {
      const { signed } = await loadTargets(this.#cache, role.name);
      for (const [path, file] of Object.entries(signed.targets)) {
        if (!trusted.has(path) && role.isDelegatedPath(path)) trusted.set(path, file);
      }
    }
    return trusted;
  }
}

const delegatedBy = ({ signed }: Metadata<Targets>) => Object.values(signed.delegations?.roles ?? {});

const metadataFiles = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith('.json'));

async function loadTargets(directory: string, role: string = MetadataKind.Targets): Promise<Metadata<Targets>> {
  return Metadata.fromJSON(MetadataKind.Targets, await readMetadata(directory, role));
}

/** What tuf-js has verified and written. */
async function readMetadata(directory: string, role: string): Promise<MetadataJson> {
  return JSON.parse(await readFile(join(directory, `${encodeURIComponent(role)}.json`), 'utf8')) as MetadataJson;
}

type MetadataJson = Parameters<typeof Metadata.fromJSON>[1];

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}

function untrusted(cause: unknown): AppError {
  return new AppError('RELEASE.UNTRUSTED', "The repository's metadata cannot be trusted.", {
    cause,
    details: { reason: errorMessage(cause) },
  });
}

function unreachable(cause: unknown): AppError {
  return new AppError('RELEASE.UNREACHABLE', 'The release repository cannot be reached.', { retryable: true, cause });
}
