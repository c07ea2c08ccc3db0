import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { releaseManifestSchema, type ReleaseManifest, type VerifiedBundle } from '@sightline/contracts';
import { AppError, isSha256, type Sha256 } from '@sightline/kernel';

import { sha256Of } from './sha256.js';

/** A model file as its manifest names it. */
export type ModelFile = Pick<ReleaseManifest['detector'], 'target' | 'sha256' | 'bytes'>;

/** Every file that belongs to a release, the manifest itself left out. */
export function modelFilesOf(manifest: ReleaseManifest): readonly ModelFile[] {
  const { detector, landmarks, embedder, presentationAttack } = manifest;
  return [detector, landmarks, embedder, ...(presentationAttack ? [presentationAttack] : [])];
}

// A release directory is content-addressed: two releases that share a model share its bytes.
export const blobPath = (directory: string, sha256: string): string => join(directory, 'blobs', sha256);
export const manifestPath = (directory: string, digest: string): string =>
  join(directory, 'releases', digest, 'manifest.json');

/**
 * Reads a manifest's bytes.
 *
 * @throws AppError `RELEASE.CORRUPT` when it is not a manifest that this program knows
 */
export function parseManifest(bytes: Uint8Array): ReleaseManifest {
  try {
    return releaseManifestSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new AppError('RELEASE.CORRUPT', 'The release manifest cannot be read.', { cause });
  }
}

class StoredBundle implements VerifiedBundle {
  readonly manifest: ReleaseManifest;
  readonly digest: Sha256;
  readonly #directory: string;

  constructor(directory: string, digest: Sha256, manifest: ReleaseManifest) {
    this.#directory = directory;
    this.digest = digest;
    this.manifest = manifest;
  }

  async read(target: string): Promise<Uint8Array> {
    const file = modelFilesOf(this.manifest).find((candidate) => candidate.target === target);
    if (file === undefined) throw new AppError('RELEASE.CORRUPT', 'The release has no such file.');
    const bytes = await readOrCorrupt(blobPath(this.#directory, file.sha256));
    if (bytes.length !== file.bytes || sha256Of(bytes) !== file.sha256) {
      throw new AppError('RELEASE.CORRUPT', 'A model file was truncated or changed on disk.', {
        details: { target },
      });
    }
    return bytes;
  }
}

/**
 * Opens a release that was downloaded before, without network. The manifest must have the digest that
 * was activated; every model is hashed again whenever it is read.
 *
 * @param directory the release directory that `ReleaseClient` filled
 * @throws AppError `RELEASE.CORRUPT` when the manifest is missing, changed or unknown in form
 */
export async function openBundle(directory: string, digest: Sha256): Promise<VerifiedBundle> {
  // The digest becomes a path.
  if (!isSha256(digest)) throw new AppError('RELEASE.CORRUPT', 'The release digest is malformed.');
  const bytes = await readOrCorrupt(manifestPath(directory, digest));
  if (sha256Of(bytes) !== digest) {
    throw new AppError('RELEASE.CORRUPT', 'The release manifest was changed on disk.', { details: { digest } });
  }
  return new StoredBundle(directory, digest, parseManifest(bytes));
}

async function readOrCorrupt(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new AppError('RELEASE.CORRUPT', 'A file of the release is missing or unreadable on disk.', { cause });
  }
}
