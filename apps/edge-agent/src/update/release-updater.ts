import type { DesiredRelease, VerifiedBundle } from '@sightline/contracts';
import { AppError, backoffMs, errorMessage, isAppError, isSha256, type Clock, type Logger } from '@sightline/kernel';
import type { ReleaseClient, ReleaseStore } from '@sightline/release-trust';

import type { ActiveRelease, RecogniserSlot } from '../pipeline/recogniser-slot.js';
import type { FieldState } from '../uplink/device-state.js';
import type { DesiredVersionsFile } from './desired-versions.js';

export interface ReleaseUpdaterOptions {
  readonly client: Pick<ReleaseClient, 'download'>;
  readonly store: Pick<ReleaseStore, 'activate' | 'current' | 'previous'>;
  readonly slot: RecogniserSlot;
  /** Opens a bundle; what it opened is closed by its user. */
  readonly open: (bundle: VerifiedBundle) => Promise<ActiveRelease>;
  /** Rejects with `RELEASE.SELF_TEST_FAILED` when the release does not compute what it should. */
  readonly selfTest: (bundle: VerifiedBundle) => Promise<void>;
  readonly versions: DesiredVersionsFile;
  /** Base address of the provisioned repository. */
  readonly repositoryUrl: string;
  /** The state of the desired release, or what runs, has changed. */
  readonly onChange: (what: 'state' | 'running') => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

interface Attempt {
  readonly version: number;
  readonly controller: AbortController;
  readonly finished: Promise<void>;
}

/**
 * Brings this box to the desired release: download and verify → open → self-test → activate → swap. Until the
 * swap the old release runs, and it goes on running when any step fails.
 *
 * Bytes come from the provisioned repository alone, verified from the provisioned root. The repository that a
 * desired document names is information: one of another origin is logged and never contacted, so that whoever
 * can write to the broker cannot send the box elsewhere.
 */
export class ReleaseUpdater {
  readonly #options: ReleaseUpdaterOptions;
  #state: FieldState;
  #attempt: Attempt | undefined;
  #stopped = false;

  constructor(options: ReleaseUpdaterOptions) {
    this.#options = options;
    this.#state = { version: options.versions.current.release?.version ?? 0, status: 'none', error: '' };
  }

  get state(): FieldState {
    return this.#state;
  }

  /** Runs the release that was active before this start, or else the one before it; needs no network. */
  async runActive(): Promise<void> {
    const { store, slot, log, versions } = this.#options;
    for (const which of ['current', 'previous'] as const) {
      try {
        const bundle = await store[which]();
        if (!bundle) continue;
        const release = await this.#openTested(bundle);
        if (which === 'previous') await store.activate(bundle);
        await slot.swap(release);
        log.info(
          { release: release.version, digest: release.digest, provider: release.recogniser.provider },
          'release runs',
        );
        const desired = versions.current.release;
        if (desired?.digest === release.digest) this.#set({ version: desired.version, status: 'applied', error: '' });
        this.#options.onChange('running');
        return;
      } catch (error) {
        log.error({ ...describe(error), which }, 'a stored release does not run');
      }
    }
  }

  /** Takes a desired document; one that is not newer is ignored, except to try again what is not done. */
  desire(desired: DesiredRelease): void {
    const { versions, slot, log } = this.#options;
    const version = Number(desired.version);
    const known = versions.current.release;
    if (this.#stopped || !this.#isNews(version, desired.releaseDigest)) return;
    if (!isSha256(desired.releaseDigest)) {
      throw new AppError('MQTT.MALFORMED_MESSAGE', 'The desired release has no digest.');
    }
    this.#warnOfForeignRepository(desired.repositoryUrl);
    if (known?.version !== version) versions.update({ release: { version, digest: desired.releaseDigest } });
    if (slot.current?.digest === desired.releaseDigest) {
      this.#attempt?.controller.abort(new Error('the release that runs is desired'));
      this.#set({ version, status: 'applied', error: '' });
      return;
    }
    log.info({ release: desired.releaseVersion, version }, 'release desired');
    this.#begin(version, desired);
  }

  /**
   * Opens the release that runs anew and lets the old threads go with the memory that they hold. Nothing is done while
   * another release is under way, which replaces them anyway.
   */
  async reopen(): Promise<void> {
    const { store, slot, open } = this.#options;
    if (this.#stopped || this.#attempt) return;
    const bundle = await store.current();
    const running = slot.current;
    if (!bundle || bundle.digest !== running?.digest) return;
    const release = await open(bundle);
    // Another may have come meanwhile.
    if (slot.current === running) await slot.swap(release);
    else await release.recogniser.close();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#attempt?.controller.abort(new Error('the agent stops'));
    await this.#attempt?.finished;
  }

  #isNews(version: number, digest: string): boolean {
    const known = this.#options.versions.current.release;
    if (!known || version > known.version) return true;
    if (version < known.version || digest !== known.digest) return false;
    // The very document again, after a restart or a new connection.
    return this.#attempt === undefined && this.#state.status !== 'failed';
  }

  #begin(version: number, desired: DesiredRelease): void {
    const before = this.#attempt;
    before?.controller.abort(new Error('a newer release is desired'));
    this.#set({ version, status: 'pending', error: '' });
    const controller = new AbortController();
    const finished = (async () => {
      await before?.finished;
      await this.#applyWithRetries(version, desired, controller.signal);
      if (this.#attempt?.controller === controller) this.#attempt = undefined;
    })();
    this.#attempt = { version, controller, finished };
  }

  async #applyWithRetries(version: number, desired: DesiredRelease, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        signal.throwIfAborted();
        await this.#apply(desired, signal);
        this.#set({ version, status: 'applied', error: '' });
        return;
      } catch (error) {
        if (signal.aborted) return;
        const { code } = describe(error);
        log.error({ ...describe(error), release: desired.releaseVersion, attempt }, 'the desired release failed');
        const isRetryable = isAppError(error) && error.retryable;
        this.#set({ version, status: isRetryable ? 'pending' : 'failed', error: code });
        // A repository whose file is damaged is repaired under the same document, which would not start us again.
        if (!isRetryable && code !== 'RELEASE.CORRUPT') return;
        await clock.sleep(backoffMs(attempt, { baseMs: 2000, capMs: 300_000, random }), signal).catch(() => undefined);
      }
    }
  }

  async #apply(desired: DesiredRelease, signal: AbortSignal): Promise<void> {
    const { client, store, slot, log } = this.#options;
    const digest = desired.releaseDigest;
    if (!isSha256(digest)) throw new AppError('MQTT.MALFORMED_MESSAGE', 'The desired release has no digest.');
    const bundle = await client.download({ version: desired.releaseVersion, digest }, { signal });
    const release = await this.#openTested(bundle);
    try {
      signal.throwIfAborted();
      await store.activate(bundle);
    } catch (error) {
      await release.recogniser.close();
      throw error;
    }
    await slot.swap(release);
    log.info({ release: release.version, digest, provider: release.recogniser.provider }, 'release activated');
    this.#options.onChange('running');
  }

  async #openTested(bundle: VerifiedBundle): Promise<ActiveRelease> {
    const release = await this.#options.open(bundle);
    try {
      await this.#options.selfTest(bundle);
      return release;
    } catch (error) {
      await release.recogniser.close();
      throw error;
    }
  }

  #warnOfForeignRepository(named: string): void {
    if (named === '' || originOf(named) === originOf(this.#options.repositoryUrl)) return;
    this.#options.log.warn(
      { code: 'UPDATE.FOREIGN_REPOSITORY' },
      'a desired release names another repository than the provisioned one, which alone is used',
    );
  }

  #set(state: FieldState): void {
    this.#state = state;
    this.#options.onChange('state');
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'none';
}

function describe(error: unknown): { readonly code: string; readonly cause: string } {
  return { code: isAppError(error) ? error.code : 'RELEASE.FAILED', cause: errorMessage(error) };
}
