import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { errorMessage, isAppError } from '@sightline/kernel';
import { openRecogniser, runSelfTest } from '@sightline/recognition';
import { ReleaseClient, ReleaseStore } from '@sightline/release-trust';

import type { CloudApiConfig } from '../config.js';
import type { ActiveRelease, ReleaseSource } from './active-release.js';

type Config = Pick<
  CloudApiConfig,
  'repositoryUrl' | 'trustedRoot' | 'dataDirectory' | 'inferenceWorkers' | 'clock' | 'log'
>;

/** The default channel of the model registry: download, verify, self-test, activate. */
export class RegistryReleaseSource implements ReleaseSource {
  readonly #config: Config;
  readonly #client: ReleaseClient;
  readonly #store: ReleaseStore;

  constructor(config: Config) {
    const { repositoryUrl, trustedRoot, clock, log } = config;
    const directory = join(config.dataDirectory, 'releases');
    this.#config = config;
    this.#client = new ReleaseClient({ repositoryUrl, directory, trustedRoot, clock, log });
    this.#store = new ReleaseStore({ directory, clock });
  }

  /**
   * Opens the channel's release; without a registry, or when what it offers fails, the one that was active before.
   *
   * @throws AppError `RELEASE.*`, `MODEL.INVALID`
   */
  async open(signal: AbortSignal): Promise<ActiveRelease> {
    try {
      const bundle = await this.#client.download({}, { signal });
      const release = await this.#start(bundle);
      await this.#store.activate(bundle);
      return release;
    } catch (error) {
      if (signal.aborted) throw error;
      const active = await this.#store.current().catch(() => undefined);
      if (active === undefined) throw error;
      const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
      const { version } = active.manifest;
      this.#config.log.warn(
        { code, version, error: errorMessage(error) },
        'the release that was active before is used',
      );
      return this.#start(active);
    }
  }

  async #start(bundle: VerifiedBundle): Promise<ActiveRelease> {
    const { inferenceWorkers: workers, log } = this.#config;
    await runSelfTest(bundle, { log });
    const recogniser = await openRecogniser({ bundle, workers, presentationAttack: true, log });
    return { manifest: bundle.manifest, digest: bundle.digest, recogniser };
  }
}
