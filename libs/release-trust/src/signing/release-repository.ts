import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { ReleaseManifest } from '@sightline/contracts';
import { moveFileDurably, writeFileDurably } from '@sightline/host';
import { AppError, type Sha256 } from '@sightline/kernel';
import { TargetFile } from '@tufjs/models';

import { modelFilesOf, parseManifest } from '../bundle.js';
import { roleOfTarget } from '../delegated-roles.js';
import { digestFile, sha256Of } from '../sha256.js';
import {
  channelTarget,
  encodeChannel,
  manifestTarget,
  parseChannel,
  targetUrlPath,
  type ChannelPointer,
} from '../targets-layout.js';
import { changedKeys, type KeyChange } from './key-change.js';
import { MetadataStore, type ReleaseRepositoryOptions } from './metadata-store.js';
import { readRoot } from './repository-metadata.js';
import type { KeyAssignment, RepositoryKeys } from './role-keys.js';
import {
  mergeSignatures,
  needsOf,
  parseSigningSet,
  type SignatureNeed,
  type StagedRelease,
} from './signing-request.js';

/** A release to sign. */
export interface NewRelease {
  /** The manifest exactly as it will be signed. */
  readonly manifestBytes: Uint8Array;
  /** Target of each model file of the manifest → where its bytes lie now. */
  readonly files: ReadonlyMap<string, string>;
  /** The channel that names this release from now on; none: it is signed, and devices are told of it otherwise. */
  readonly channel?: string;
}

/** A release that the repository has signed. */
export interface PublishedRelease {
  readonly version: string;
  readonly digest: Sha256;
  readonly manifestTarget: string;
  readonly manifest: ReleaseManifest;
}

/** `staged`: its files are here, and it is published once enough of the offline keys have signed it. */
export interface Publication extends PublishedRelease {
  readonly state: 'published' | 'staged';
}

/** What waits for the holders of offline keys. */
export interface StagedChanges {
  readonly releases: readonly StagedRelease[];
  /** One for each document; empty when nothing waits. */
  readonly wants: readonly SignatureNeed[];
}

/** The newest root metadata of a repository on disk. */
export function readTrustedRoot(directory: string): Promise<Buffer> {
  return readRoot(join(directory, 'metadata'));
}

/**
 * Creates a TUF repository when there is none: its root, which devices pin, and empty other roles. A repository of
 * before the thresholds gets them, vouched for by its old root key. What the keys that are here cannot sign waits for
 * signatures, and nothing is served until those are there.
 *
 * @throws AppError `RELEASE.KEY_INVALID` when it is of before the thresholds and its root key is not here
 */
export async function createReleaseRepository(options: ReleaseRepositoryOptions, keys: RepositoryKeys): Promise<void> {
  await new MetadataStore(options, keys.signers).create(keys);
}

/**
 * Signs releases and keeps the signatures fresh. What its keys do not suffice for waits until the holders of the
 * others have signed it elsewhere.
 */
export class ReleaseRepository {
  readonly #options: ReleaseRepositoryOptions;
  readonly #metadata: MetadataStore;

  /** @param keys `signers`: those that are on this machine; each signs for whatever the root says */
  constructor(options: ReleaseRepositoryOptions, keys: Pick<RepositoryKeys, 'signers'>) {
    this.#options = options;
    this.#metadata = new MetadataStore(options, keys.signers);
  }

  /**
   * @throws AppError `RELEASE.AWAITS_SIGNATURES` when its beginning is not signed yet; `RELEASE.KEY_INVALID` when the
   *   keys that are here cannot keep what is served fresh
   */
  assertOnlineKeys(): Promise<void> {
    return this.#metadata.assertOnlineKeys();
  }

  /** The newest root metadata: what a new device pins. */
  trustedRoot(): Promise<Buffer> {
    return readTrustedRoot(this.#options.directory);
  }

  /**
   * Copies the files in, signs the release and points its channel at it. The same release again changes nothing.
   *
   * @throws AppError `RELEASE.CORRUPT` when a file is not what the manifest says;
   *   `RELEASE.VERSION_TAKEN` when the version is signed, or waits to be, with another digest
   */
  publish(release: NewRelease): Promise<Publication> {
    return this.#metadata.exclusive(async () => {
      const manifest = parseManifest(release.manifestBytes);
      const digest = sha256Of(release.manifestBytes);
      const name = manifestTarget(manifest.version);
      const taken = (await this.#metadata.targets('next')).get(name)?.hashes.sha256;
      if (taken !== undefined && taken !== digest) {
        throw new AppError('RELEASE.VERSION_TAKEN', 'Another release is signed under this version.');
      }
      const added: TargetFile[] = [];
      for (const file of modelFilesOf(manifest)) {
        await this.#copyIn(file, release.files.get(file.target));
        added.push(targetFile(file.target, file.bytes, file.sha256));
      }
      added.push(await this.#write(name, release.manifestBytes));
      const { channel } = release;
      if (channel !== undefined)
        added.push(await this.#write(channelTarget(channel), encodeChannel(manifest.version, digest)));
      const state = await this.#add(added, { version: manifest.version, digest, channel });
      return { version: manifest.version, digest, manifestTarget: name, manifest, state };
    });
  }

  /**
   * Points a channel at a release that is signed.
   *
   * @throws AppError `RELEASE.NOT_FOUND`
   */
  pointChannel(channel: string, version: string): Promise<'published' | 'staged'> {
    return this.#metadata.exclusive(async () => {
      const digest = (await this.#metadata.targets('published')).get(manifestTarget(version))?.hashes.sha256;
      if (digest === undefined) throw new AppError('RELEASE.NOT_FOUND', 'There is no release of this version.');
      const file = await this.#write(channelTarget(channel), encodeChannel(version, digest as Sha256));
      return this.#add([file], { version, digest, channel });
    });
  }

  /** The release that a channel names; undefined: there is no such channel. */
  async channel(name: string): Promise<ChannelPointer | undefined> {
    const target = channelTarget(name);
    const published = await this.#metadata.targets('published');
    const digest = published.get(target)?.hashes.sha256 as Sha256 | undefined;
    return digest && parseChannel(await readFile(this.pathOf(target, digest)));
  }

  /** Where a signed target lies in the repository. */
  pathOf(target: string, sha256: Sha256): string {
    return this.#targetPath(target, sha256);
  }

  /** Every signed release, in the order in which they were signed. */
  async releases(): Promise<readonly PublishedRelease[]> {
    const releases: PublishedRelease[] = [];
    for (const file of (await this.#metadata.targets('published')).values()) {
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

  /** Grows with every change that is published, whoever published it. */
  revision(): Promise<number> {
    return this.#metadata.revision();
  }

  /** What waits for signatures, and for how many. */
  async staged(): Promise<StagedChanges> {
    const { set, state } = await this.#metadata.pending();
    return set ? { releases: set.releases, wants: needsOf(set, state) } : { releases: [], wants: [] };
  }

  /** What waits for signatures, as a file for those who sign; undefined when nothing does. */
  signingRequest(): Promise<string | undefined> {
    return this.#metadata.signingRequest();
  }

  /**
   * Takes a signing request that came back, and publishes once enough have signed.
   *
   * @returns how many signatures were new, and what is still wanted
   * @throws AppError `RELEASE.CORRUPT`, `RELEASE.OTHER_DOCUMENTS`
   */
  addSignatures(request: string): Promise<{ readonly added: number; readonly state: 'published' | 'staged' }> {
    return this.#metadata.exclusive(async () => {
      const { set, state } = await this.#metadata.pending();
      const signed = parseSigningSet(request);
      if (!set) throw new AppError('RELEASE.OTHER_DOCUMENTS', 'Nothing waits for signatures.');
      const added = mergeSignatures(set, signed, state);
      return { added, state: await this.#metadata.settle(set) };
    });
  }

  /** Forgets what waits for signatures. What is published stays. */
  withdraw(): Promise<void> {
    return this.#metadata.exclusive(() => this.#metadata.withdraw());
  }

  /**
   * Changes who signs. The new documents wait for the signatures of the holders before and after.
   *
   * @throws AppError `RELEASE.KEY_INVALID` when a role would have fewer keys than its threshold
   */
  changeKeys(change: KeyChange): Promise<'published' | 'staged'> {
    return this.#metadata.exclusive(async () => {
      const { set, state } = await this.#metadata.pending();
      return this.#metadata.settle(
        changedKeys(change, { set, state, terms: (role) => this.#metadata.terms(role, state) }),
      );
    });
  }

  /** Who signs for what, as it is published. */
  holders(): Promise<KeyAssignment> {
    return this.#metadata.holders();
  }

  /** When each role has to be signed again, and whether the keys that are here can do it. */
  expiries(): ReturnType<MetadataStore['expiries']> {
    return this.#metadata.expiries();
  }

  /** Signed targets whose bytes here are missing, truncated or changed. */
  async damagedTargets(): Promise<readonly string[]> {
    const damaged: string[] = [];
    for (const file of (await this.#metadata.targets('published')).values()) {
      const expected = file.hashes.sha256 as Sha256;
      const found = await digestFile(this.#targetPath(file.path, expected));
      if (found?.sha256 !== expected) damaged.push(file.path);
    }
    return damaged;
  }

  /**
   * Puts the bytes of a signed model file back. Throws as `publish` does.
   *
   * @param sources where files may lie, by digest
   */
  restore(target: string, sources: ReadonlyMap<string, string>): Promise<void> {
    return this.#metadata.exclusive(async () => {
      const file = (await this.#metadata.targets('published')).get(target);
      if (file === undefined) throw new AppError('RELEASE.NOT_FOUND', 'The repository has no such target.');
      const sha256 = file.hashes.sha256 ?? '';
      await this.#copyIn({ target, bytes: file.length, sha256 }, sources.get(sha256));
    });
  }

  /**
   * Signs again when less than half of the validity of a role is left, as far as the keys that are here suffice.
   *
   * @returns the moment at which the next signature is due, ms since the epoch
   */
  keepFresh(): Promise<number> {
    return this.#metadata.exclusive(() => this.#metadata.keepFresh());
  }

  /** Has targets signed by their roles. Those that are signed or wait to be already need nothing. */
  async #add(files: readonly TargetFile[], release: StagedRelease): Promise<'published' | 'staged'> {
    const isNew = async (which: 'published' | 'next'): Promise<boolean> => {
      const known = await this.#metadata.targets(which);
      return files.some(({ path, hashes }) => known.get(path)?.hashes.sha256 !== hashes.sha256);
    };
    if (!(await isNew('published'))) return 'published';
    if (!(await isNew('next'))) return 'staged';
    return this.#metadata.addTargets(files, release);
  }

  #targetPath(target: string, sha256: Sha256): string {
    return join(this.#options.directory, 'targets', targetUrlPath(target, sha256));
  }

  async #write(target: string, bytes: Uint8Array): Promise<TargetFile> {
    const sha256 = sha256Of(bytes);
    await writeFileDurably(this.#targetPath(target, sha256), bytes);
    return targetFile(target, bytes.length, sha256);
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

/** @throws AppError `RELEASE.CORRUPT` for a target that no role answers for */
function targetFile(path: string, length: number, sha256: string): TargetFile {
  if (roleOfTarget(path) === undefined) {
    throw new AppError('RELEASE.CORRUPT', 'A file of the release lies where no role signs.', { details: { path } });
  }
  return new TargetFile({ path, length, hashes: { sha256 } });
}
