import { AppError, type Logger } from '@sightline/kernel';
import type { NewRelease, PublishedRelease, ReleaseRepository } from '@sightline/release-trust';

export interface ReleaseLibraryOptions {
  readonly repository: ReleaseRepository;
  /** Called only when no release was published yet. */
  readonly build: () => Promise<NewRelease>;
  /** Where a model file that was damaged here can be had again, by digest. Called only then. */
  readonly sources: () => Promise<ReadonlyMap<string, string>>;
  readonly log: Logger;
}

/** The published releases of this registry, read once at the start. */
export class ReleaseLibrary {
  readonly #releases: readonly PublishedRelease[];

  private constructor(releases: readonly PublishedRelease[]) {
    this.#releases = releases;
  }

  /**
   * Opens what is published; publishes the first release when there is none. Model files that were damaged
   * on this disk are put back from their source.
   *
   * @throws AppError `RELEASE.CORRUPT` when something other than a model file is damaged, or a model
   *   that has no source here
   */
  static async open({ repository, build, sources, log }: ReleaseLibraryOptions): Promise<ReleaseLibrary> {
    const damaged = await repository.damagedTargets();
    if (damaged.length > 0) {
      log.error({ targets: damaged }, 'the repository has damaged files');
      const known = await sources();
      for (const target of damaged) await repository.restore(target, known);
      log.info({ targets: damaged }, 'the damaged files were put back');
    }
    let releases = await repository.releases();
    if (releases.length === 0) {
      log.info({}, 'building the default release');
      const { version, digest } = await repository.publish(await build());
      log.info({ version, digest }, 'the default release is signed and published');
      releases = await repository.releases();
    }
    return new ReleaseLibrary(releases);
  }

  /** Newest first. */
  all(): readonly PublishedRelease[] {
    return this.#releases.toReversed();
  }

  /** @throws AppError `RELEASE.NOT_FOUND` */
  byVersion(version: string): PublishedRelease {
    const found = this.#releases.find((release) => release.version === version);
    if (found === undefined) throw new AppError('RELEASE.NOT_FOUND', 'There is no release of this version.');
    return found;
  }

  /** The release of the default channel: the newest. */
  default(): PublishedRelease {
    const newest = this.#releases.at(-1);
    if (newest === undefined) throw new AppError('RELEASE.UNAVAILABLE', 'No release is published yet.');
    return newest;
  }
}
