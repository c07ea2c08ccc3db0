import type { Sha256 } from '@sightline/kernel';

import type { ReleaseManifest } from './manifest.js';

/** A release whose metadata and files were verified, on disk. Only `release-trust` makes one. */
export interface VerifiedBundle {
  readonly manifest: ReleaseManifest;
  /** Digest of the manifest as signed. */
  readonly digest: Sha256;
  /**
   * The bytes of one of the manifest's files, verified again while reading.
   *
   * @throws AppError `RELEASE.CORRUPT`
   */
  read(target: string): Promise<Uint8Array>;
}
