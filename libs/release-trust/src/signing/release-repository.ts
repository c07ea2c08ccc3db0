import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { ReleaseManifest } from '@sightline/contracts';
import { moveFileDurably, writeFileDurably } from '@sightline/host';
import { AppError, ExclusiveRunner, type Clock, type Sha256 } from '@sightline/kernel';
import { Metadata, MetadataKind, TargetFile } from '@tufjs/models';

import { modelFilesOf, parseManifest } from '../bundle.js';
import { digestFile, sha256Of } from '../sha256.js';
import { channelTarget, encodeChannel, manifestTarget, targetUrlPath } from '../targets-layout.js';
import {
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
  defaultValidity,
  loadChain,
  type Chain,
  type Validity,
} from './repository-metadata.js';
import type { OnlineKeys, RepositoryKeys } from './role-keys.js';

export interface ReleaseRepositoryOptions {
  /** Served to devices as it is: `metadata/` and `targets/`. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly validity?: Validity;
}

/** A release to sign. */
export interface NewRelease {
  /** The manifest exactly as it will be signed. */
  readonly manifestBytes: Uint8Array;
  /** Target of each model file of the manifest → where its bytes lie now. */
  readonly files: ReadonlyMap<string, string>;
  /** The channel that names this release from now on. */
  readonly channel: string;
}

/** A release that the repository has signed. */
export interface PublishedRelease {
  readonly version: string;
  readonly digest: Sha256;
  readonly manifestTarget: string;
  readonly manifest: ReleaseManifest;
}

/**
 * Creates a TUF repository when there is none: its root, which devices pin, and empty other roles.
 * A creation that was interrupted is done again.
 */
export async function createReleaseRepository(options: ReleaseRepositoryOptions, keys: RepositoryKeys): Promise<void> {
  const metadata = join(options.directory, 'metadata');
  if (await exists(join(metadata, 'timestamp.json'))) return;
  await mkdir(join(options.directory, 'targets'), { recursive: true });
  const now = options.clock.wallMs();
  const validity = options.validity ?? defaultValidity;
  await writeFileDurably(join(metadata, '1.root.json'), buildRoot(keys, now + validity.rootMs));
  await writeChain(metadata, keys, { targets: {}, versions: { targets: 1, snapshot: 1, timestamp: 1 } }, now, validity);
}

/** The newest root metadata of a repository on disk. */
export async function readTrustedRoot(directory: string): Promise<Buffer> {
  for (let version = 1, newest: Buffer | undefined; ; version += 1) {
    try {
      newest = await readFile(join(directory, 'metadata', `${version}.root.json`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || newest === undefined) throw error;
      return newest;
    }
  }
}

/**
 * Signs releases and keeps the signatures fresh.
 *
 * Invariant: `timestamp.json` is replaced last, so that whatever was interrupted before it is not part of
 * the repository and is overwritten by the next try.
 */
export class ReleaseRepository {
  readonly #options: ReleaseRepositoryOptions;
  readonly #keys: OnlineKeys;
  readonly #runner = new ExclusiveRunner();

  constructor(options: ReleaseRepositoryOptions, keys: OnlineKeys) {
    this.#options = options;
    this.#keys = keys;
  }

  /** The newest root metadata: what a new device pins. */
  trustedRoot(): Promise<Buffer> {
    return readTrustedRoot(this.#options.directory);
  }

  /**
   * Copies the files in, signs the release and points its channel at it. The same release again changes
   * nothing.
   *
   * @throws AppError `RELEASE.CORRUPT` when a file is not what the manifest says;
   *   `RELEASE.VERSION_TAKEN` when the version is signed with another digest
   */
  publish(release: NewRelease): Promise<PublishedRelease> {
    return this.#runner.run(async () => {
      const manifest = parseManifest(release.manifestBytes);
      const digest = sha256Of(release.manifestBytes);
      const name = manifestTarget(manifest.version);
      const published = { version: manifest.version, digest, manifestTarget: name, manifest };
      const chain = await this.#chain();
      const taken = chain.targets[name]?.hashes.sha256;
      if (taken !== undefined && taken !== digest) {
        throw new AppError('RELEASE.VERSION_TAKEN', 'Another release is signed under this version.');
      }
      const channel = encodeChannel({ version: manifest.version, digest });
      const channelName = channelTarget(release.channel);
      if (taken === digest && chain.targets[channelName]?.hashes.sha256 === sha256Of(channel)) return published;

      const added = [];
      for (const file of modelFilesOf(manifest)) {
        await this.#copyIn(file, release.files.get(file.target));
        added.push(targetFile(file.target, file.bytes, file.sha256));
      }
      for (const [target, bytes] of [[name, release.manifestBytes] as const, [channelName, channel] as const]) {
        await writeFileDurably(this.#targetPath(target, sha256Of(bytes)), bytes);
        added.push(targetFile(target, bytes.length, sha256Of(bytes)));
      }
      const targets = { ...chain.targets, ...Object.fromEntries(added.map((file) => [file.path, file])) };
      await this.#sign({ targets, versions: nextVersions(chain) });
      return published;
    });
  }

  /** Every signed release, in the order in which they were signed. */
  async releases(): Promise<readonly PublishedRelease[]> {
    const releases: PublishedRelease[] = [];
    for (const file of Object.values((await this.#chain()).targets)) {
      const digest = file.hashes.sha256 as Sha256 | undefined;
      if (digest === undefined || !/^releases\/[^/]+\/manifest\.json$/.test(file.path)) continue;
      const bytes = await readFile(this.#targetPath(file.path, digest));
      if (sha256Of(bytes) !== digest) {
        throw new AppError('RELEASE.CORRUPT', 'A signed manifest was changed in the repository.');
      }
      const manifest = parseManifest(bytes);
      releases.push({ version: manifest.version, digest, manifestTarget: file.path, manifest });
    }
    return releases;
  }

  /** Signed targets whose bytes here are missing, truncated or changed. */
  async damagedTargets(): Promise<readonly string[]> {
    const damaged: string[] = [];
    for (const file of Object.values((await this.#chain()).targets)) {
      const expected = file.hashes.sha256 as Sha256;
      const found = await digestFile(this.#targetPath(file.path, expected));
      if (found?.sha256 !== expected) damaged.push(file.path);
    }
    return damaged;
  }

  /** Puts the bytes of a signed model file back. Throws as `publish` does. */
  restore(target: string, source: string | undefined): Promise<void> {
    return this.#runner.run(async () => {
      const file = (await this.#chain()).targets[target];
      if (file === undefined) throw new AppError('RELEASE.NOT_FOUND', 'The repository has no such target.');
      await this.#copyIn({ target, bytes: file.length, sha256: file.hashes.sha256 ?? '' }, source);
    });
  }

  /**
   * Signs again when less than half of the validity of a role is left.
   *
   * @returns the moment at which the next signature is due, ms since the epoch
   */
  keepFresh(): Promise<number> {
    return this.#runner.run(async () => {
      const chain = await this.#chain();
      const now = this.#options.clock.wallMs();
      if (dueMs(chain, this.#validity) > now) return dueMs(chain, this.#validity);
      // All three at once: one rule, and the files are small.
      await this.#sign({ targets: chain.targets, versions: nextVersions(chain) });
      return dueMs(await this.#chain(), this.#validity);
    });
  }

  get #metadata(): string {
    return join(this.#options.directory, 'metadata');
  }

  get #validity(): Validity {
    return this.#options.validity ?? defaultValidity;
  }

  #chain(): Promise<Chain> {
    return loadChain(this.#metadata);
  }

  #targetPath(target: string, sha256: Sha256): string {
    return join(this.#options.directory, 'targets', targetUrlPath(target, sha256));
  }

  async #sign(content: Pick<Chain, 'targets' | 'versions'>): Promise<void> {
    await assertKeysOfRoot(await this.trustedRoot(), this.#keys);
    await writeChain(this.#metadata, this.#keys, content, this.#options.clock.wallMs(), this.#validity);
  }

  async #copyIn(
    file: { readonly target: string; readonly bytes: number; readonly sha256: string },
    source: string | undefined,
  ): Promise<void> {
    const destination = this.#targetPath(file.target, file.sha256 as Sha256);
    if ((await digestFile(destination))?.sha256 === file.sha256) return;
    const found = source === undefined ? undefined : await digestFile(source);
    if (source === undefined || found?.sha256 !== file.sha256 || found.bytes !== file.bytes) {
      throw new AppError('RELEASE.CORRUPT', 'A model file is missing, truncated or changed.', {
        details: { target: file.target },
      });
    }
    await mkdir(dirname(destination), { recursive: true });
    const temporary = `${destination}.tmp`;
    await copyFile(source, temporary);
    await moveFileDurably(temporary, destination);
  }
}

async function writeChain(
  metadata: string,
  keys: OnlineKeys,
  { targets, versions }: Pick<Chain, 'targets' | 'versions'>,
  now: number,
  validity: Validity,
): Promise<void> {
  const targetsBytes = buildTargets(keys.targets, targets, versions.targets, now + validity.targetsMs);
  await writeFileDurably(join(metadata, `${versions.targets}.targets.json`), targetsBytes);
  const snapshotBytes = buildSnapshot(keys.snapshot, targetsBytes, versions, now + validity.snapshotMs);
  await writeFileDurably(join(metadata, `${versions.snapshot}.snapshot.json`), snapshotBytes);
  const timestampBytes = buildTimestamp(keys.timestamp, snapshotBytes, versions, now + validity.timestampMs);
  await writeFileDurably(join(metadata, 'timestamp.json'), timestampBytes);
}

/** Signatures that no device accepts must never be served: they would stop the whole fleet's updates. */
async function assertKeysOfRoot(root: Buffer, keys: OnlineKeys): Promise<void> {
  const { signed } = Metadata.fromJSON(
    MetadataKind.Root,
    JSON.parse(root.toString('utf8')) as Parameters<typeof Metadata.fromJSON>[1],
  );
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
    if (!signed.roles[role]?.keyIDs.includes(keys[role].publicKey.keyID)) {
      throw new AppError('RELEASE.KEY_INVALID', `The key of the role ${role} is not the one that the root names.`);
    }
  }
}

function nextVersions({ versions }: Chain): Chain['versions'] {
  return { targets: versions.targets + 1, snapshot: versions.snapshot + 1, timestamp: versions.timestamp + 1 };
}

function dueMs({ expiresMs }: Chain, validity: Validity): number {
  return Math.min(
    expiresMs.timestamp - validity.timestampMs / 2,
    expiresMs.snapshot - validity.snapshotMs / 2,
    expiresMs.targets - validity.targetsMs / 2,
  );
}

function targetFile(path: string, length: number, sha256: string): TargetFile {
  return new TargetFile({ path, length, hashes: { sha256 } });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
