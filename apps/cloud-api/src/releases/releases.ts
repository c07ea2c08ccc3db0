import {
  AppError,
  backoffMs,
  errorMessage,
  isAppError,
  StoppingError,
  type Clock,
  type Logger,
} from '@sightline/kernel';
import { thresholdAt } from '@sightline/matching';
import { Inject, Injectable } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, LOGGER, RELEASE_SOURCE } from '../platform/tokens.js';
import type { CalibratedRelease, ReleaseSource } from './active-release.js';

/** The release that this process runs. It may start before the registry can be reached. */
@Injectable()
export class Releases {
  readonly #stopping = new AbortController();
  #active: CalibratedRelease | undefined;
  #running: Promise<void> | undefined;

  constructor(
    @Inject(RELEASE_SOURCE) private readonly source: ReleaseSource,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'falseMatchRate'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  get ready(): boolean {
    return this.#active !== undefined;
  }

  start(): void {
    this.#running ??= this.#openUntilActive();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new StoppingError());
    await this.#running;
    const active = this.#active;
    this.#active = undefined;
    await active?.recogniser.close();
  }

  /** @throws AppError `RELEASE.UNAVAILABLE` (retryable) before the first activation */
  current(): CalibratedRelease {
    if (this.#active === undefined) {
      throw new AppError('RELEASE.UNAVAILABLE', 'The release is still being fetched or tested.', { retryable: true });
    }
    return this.#active;
  }

  async #openUntilActive(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    for (let attempt = 0; this.#active === undefined && !isStopping(); attempt += 1) {
      try {
        this.#active = await this.#open(signal);
      } catch (error) {
        if (isStopping()) return;
        const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
        this.log.warn({ code, error: errorMessage(error), attempt }, 'no release could be activated yet');
        await this.clock.sleep(backoffMs(attempt, { baseMs: 250, capMs: 10_000 }), signal).catch(() => undefined);
      }
    }
  }

  async #open(signal: AbortSignal): Promise<CalibratedRelease> {
    const release = await this.source.open(signal);
    try {
      const { falseMatchRate } = this.config;
      const threshold = thresholdAt(release.manifest.calibration.points, falseMatchRate);
      const { version, modelSpace } = release.manifest;
      this.log.info(
        {
          version,
          digest: release.digest,
          modelSpace: modelSpace.id,
          threshold,
          provider: release.recogniser.provider,
        },
        'release active',
      );
      return { ...release, operatingPoint: { threshold, falseMatchRate } };
    } catch (error) {
      await release.recogniser.close();
      throw error;
    }
  }
}
