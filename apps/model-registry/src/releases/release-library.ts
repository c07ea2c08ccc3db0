import { AppError, type Logger } from '@sightline/kernel';
import type { NewRelease, PublishedRelease, ReleaseRepository } from '@sightline/release-trust';

import { DEFAULT_CHANNEL } from './default-release.js';

export interface ReleaseLibraryOptions {
  readonly repository: ReleaseRepository;
  /** Called only when no release was published yet. */
  readonly build: () => Promise<NewRelease>;
  /** Where a model file that was damaged here can be had again, by digest. Called only then. */
  readonly sources: () => Promise<ReadonlyMap<string, string>>;
  readonly log: Logger;
}

/** The published releases of this registry, as they were read last. */
export class ReleaseLibrary {
  readonly #repository: ReleaseRepository;
  #releases: readonly PublishedRelease[] = [];
  #default: PublishedRelease | undefined;

  private constructor(repository: ReleaseRepository) {
    this.#repository = repository;
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
    const isEmpty = (await repository.releases()).length === 0 && (await repository.staged()).releases.length === 0;
    if (isEmpty) {
      log.info({}, 'building the default release');
      const { version, digest, state } = await repository.publish(await build());
      log.info({ version, digest, state }, 'the default release was built');
    }
    const library = new ReleaseLibrary(repository);
    await library.refresh();
    return library;
  }

  /** Reads what is published now, once something was. */
  async refresh(): Promise<void> {
    this.#releases = await this.#repository.releases();
    const pointer = await this.#repository.channel(DEFAULT_CHANNEL);
    this.#default = this.#releases.find(({ digest }) => digest === pointer?.digest);
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

  /** The release of the default channel: what a device takes that nobody told otherwise. */
  default(): PublishedRelease {
    const found = this.#default;
    if (found === undefined) throw new AppError('RELEASE.UNAVAILABLE', 'No release is published yet.');
    return found;
  }
}
