import type { DesiredRelease, VerifiedBundle } from '@sightline/contracts';
import { AppError, backoffMs, isAppError, isSha256, type Clock, type Logger, type Sha256 } from '@sightline/kernel';
import type { ReleaseClient, ReleaseStore } from '@sightline/release-trust';

import type { ActiveRelease, RecogniserSlot } from '../pipeline/recogniser-slot.js';
import type { FieldState } from '../uplink/device-state.js';
import { describeFailure } from './describe-failure.js';
import type { DesiredVersionsFile } from './desired-versions.js';
import { Probation } from './probation.js';
import { runStoredRelease, type StartOutcome } from './run-stored-release.js';
import type { OfferedRelease, UpdateJournal, UpdateState } from './update-journal.js';

export interface ReleaseUpdaterOptions {
  readonly client: Pick<ReleaseClient, 'download'>;
  readonly store: Pick<
    ReleaseStore,
    'activate' | 'stage' | 'burnBoot' | 'commit' | 'rollBack' | 'current' | 'previous' | 'slots'
  >;
  readonly slot: RecogniserSlot;
  /** Opens a bundle; what it opened is closed by its user. */
  readonly open: (bundle: VerifiedBundle) => Promise<ActiveRelease>;
  /** Rejects with `RELEASE.SELF_TEST_FAILED` when the release does not compute what it should. */
  readonly selfTest: (bundle: VerifiedBundle) => Promise<void>;
  readonly versions: DesiredVersionsFile;
  /** Remembers each step, and tells it. */
  readonly journal: UpdateJournal;
  readonly policy: UpdatePolicy;
  /** Calls of the recogniser that failed since the start of the agent. */
  readonly failures: () => number;
  /** Base address of the provisioned repository. */
  readonly repositoryUrl: string;
  /** The state of the desired release, or what runs, has changed. */
  readonly onChange: (what: 'state' | 'running') => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** How a box takes a new release. */
export interface UpdatePolicy {
  /** A download begins at a random moment within so long of its order, ms: a fleet does not come all at once. */
  readonly jitterMs: number;
  /** How long a new release has to run well before the one before is let go, ms. */
  readonly probationMs: number;
  /** Starts of the agent that a release on probation has, and tries of a self-test that ends the process. */
  readonly probationBoots: number;
}

interface Attempt {
  readonly version: number;
  readonly controller: AbortController;
  readonly finished: Promise<void>;
}

/** Verdicts about a release: only another document has it tried again. */
const finalErrors = new Set(['RELEASE.GIVEN_UP', 'RELEASE.PROBATION_FAILED']);

/**
 * Brings this box to the desired release: download and verify → open → stage → self-test → activate on probation →
 * swap → commit. Until the swap the old release runs, and it goes on running when any step fails; after it, the old
 * one is taken back when the new one does not pass its probation. Each step is remembered before it is taken, and the
 * release store alone says what runs: whenever the process dies, the next start runs the one or the other.
 *
 * Bytes come from the provisioned repository alone, verified from the provisioned root. The repository that a
 * desired document names is information: one of another origin is logged and never contacted, so that whoever
 * can write to the broker cannot send the box elsewhere.
 */
export class ReleaseUpdater {
  readonly #options: ReleaseUpdaterOptions;
  #state: FieldState;
  #attempt: Attempt | undefined;
  readonly #probation: Probation;
  #stopped = false;

  constructor(options: ReleaseUpdaterOptions) {
    this.#options = options;
    const { store, slot, failures, policy, clock, log } = options;
    this.#probation = new Probation({
      ...{ store, slot, failures, clock, log, durationMs: policy.probationMs },
      open: (bundle) => this.#openTested(bundle),
      onOutcome: (digest, step, error) => {
        if (step !== 'COMMITTED') this.#outlived(digest, error);
        options.journal.outcome(digest, step, error);
      },
    });
    const version = options.versions.current.release?.version ?? 0;
    const { error = '', documentVersion } = options.journal.current ?? {};
    const isFinal = documentVersion === version && finalErrors.has(error);
    this.#state = isFinal ? { version, status: 'failed', error } : { version, status: 'none', error: '' };
  }

  get state(): FieldState {
    return this.#state;
  }

  /** How far the box is with the newest desired release; undefined before the first one. */
  get update(): UpdateState | undefined {
    return this.#options.journal.current;
  }

  /** Runs the release that was active before this start, or else the one before it; needs no network. */
  async runActive(): Promise<void> {
    const { versions } = this.#options;
    const started = await runStoredRelease(this.#options, (bundle) => this.#openTested(bundle));
    this.#reconcile(started);
    if (!started.running) return;
    const { digest } = started.running;
    const desired = versions.current.release;
    if (desired?.digest === digest) this.#set({ version: desired.version, status: 'applied', error: '' });
    if (started.onProbation) this.#probation.begin(digest);
    this.#options.onChange('running');
  }

  /** Takes a desired document; one that is not newer is ignored, except to try again what is not done. */
  desire(desired: DesiredRelease): void {
    const { versions, slot, journal, log } = this.#options;
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
      const { releaseVersion, releaseDigest: digest } = desired;
      journal.adopt(
        { documentVersion: version, releaseVersion, digest },
        this.#probation.isOn ? 'ACTIVE' : 'COMMITTED',
      );
      return;
    }
    log.info({ release: desired.releaseVersion, version }, 'release desired');
    this.#begin(version, desired, desired.releaseDigest);
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
    await this.#probation.end();
  }

  #isNews(version: number, digest: string): boolean {
    const known = this.#options.versions.current.release;
    if (!known || version > known.version) return true;
    if (version < known.version || digest !== known.digest) return false;
    // The very document again, after a restart or a new connection.
    return this.#attempt === undefined && this.#state.status !== 'failed';
  }

  #begin(version: number, desired: DesiredRelease, digest: Sha256): void {
    const before = this.#attempt;
    before?.controller.abort(new Error('a newer release is desired'));
    this.#set({ version, status: 'pending', error: '' });
    const controller = new AbortController();
    const offered = { documentVersion: version, releaseVersion: desired.releaseVersion, digest };
    const finished = (async () => {
      await before?.finished;
      await this.#applyWithRetries(offered, controller.signal);
      if (this.#attempt?.controller === controller) this.#attempt = undefined;
    })();
    this.#attempt = { version, controller, finished };
  }

  async #applyWithRetries(offered: Offered, signal: AbortSignal): Promise<void> {
    const { clock, random, log, policy } = this.#options;
    const { documentVersion: version } = offered;
    await clock.sleep(random() * policy.jitterMs, signal).catch(() => undefined);
    for (let attempt = 0; ; attempt += 1) {
      try {
        signal.throwIfAborted();
        await this.#apply(offered, signal);
        this.#set({ version, status: 'applied', error: '' });
        return;
      } catch (error) {
        if (signal.aborted) {
          this.#options.journal.postpone(offered, '');
          return;
        }
        const { code } = describeFailure(error);
        log.error(
          { ...describeFailure(error), release: offered.releaseVersion, attempt },
          'the desired release failed',
        );
        const isRetryable = isAppError(error) && error.retryable;
        if (isRetryable) this.#options.journal.postpone(offered, code);
        else this.#options.journal.outcome(offered.digest, 'FAILED', code);
        this.#set({ version, status: isRetryable ? 'pending' : 'failed', error: code });
        // A repository whose file is damaged is repaired under the same document, which would not start us again.
        if (!isRetryable && code !== 'RELEASE.CORRUPT') return;
        await clock.sleep(backoffMs(attempt, { baseMs: 2000, capMs: 300_000, random }), signal).catch(() => undefined);
      }
    }
  }

  async #apply(offered: Offered, signal: AbortSignal): Promise<void> {
    const { client, store, slot, log, policy, journal } = this.#options;
    const { crashes } = journal.offer(offered);
    if (crashes >= policy.probationBoots && slot.current) {
      throw new AppError('RELEASE.GIVEN_UP', 'The self-test of the release ended the process again and again.');
    }
    journal.step(offered, 'DOWNLOADING');
    const { releaseVersion: version, digest } = offered;
    const onProgress = inSteps((progress) => journal.progress(progress));
    const bundle = await client.download({ version, digest }, { signal, onProgress });
    journal.step(offered, 'VERIFIED');
    await store.stage(bundle);
    journal.step(offered, 'STAGED');
    signal.throwIfAborted();
    journal.step(offered, 'SELF_TEST');
    const release = await this.#openTested(bundle);
    try {
      signal.throwIfAborted();
      await this.#probation.end();
      await store.activate(bundle, policy.probationBoots);
    } catch (error) {
      await release.recogniser.close();
      throw error;
    }
    await slot.swap(release);
    log.info({ release: version, digest, provider: release.recogniser.provider }, 'release activated');
    journal.outcome(digest, 'ACTIVE');
    this.#options.onChange('running');
    this.#probation.begin(digest);
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

  /** The release of this digest ran, and does not any more. */
  #outlived(digest: Sha256, error: string): void {
    const desired = this.#options.versions.current.release;
    if (desired?.digest === digest) this.#set({ version: desired.version, status: 'failed', error });
    this.#options.onChange('running');
  }

  /** After a start: what the store says counts; the journal may be a step behind. */
  #reconcile({ running, onProbation, failed }: StartOutcome): void {
    const { journal } = this.#options;
    if (!journal.current) return;
    const { digest, step, documentVersion: version } = journal.current;
    if (running?.digest === digest) {
      const now = onProbation ? 'ACTIVE' : 'COMMITTED';
      if (step !== now) journal.outcome(digest, now);
      return;
    }
    if (failed?.digest !== digest && step !== 'ACTIVE' && step !== 'COMMITTED') return;
    const error = failed?.error ?? 'RELEASE.PROBATION_FAILED';
    journal.outcome(digest, running ? 'ROLLED_BACK' : 'INCONSISTENT', error);
    if (finalErrors.has(error)) this.#set({ version, status: 'failed', error });
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

/** As the journal's, of a digest that was checked. */
type Offered = OfferedRelease & { readonly digest: Sha256 };

type Progress = Parameters<UpdateJournal['progress']>[0];

/** Passes on the first and the last report, and one for each twentieth between them. */
function inSteps(report: (progress: Progress) => void): (progress: Progress) => void {
  let told = -1;
  return (progress) => {
    const step = Math.floor((20 * progress.receivedBytes) / Math.max(1, progress.totalBytes));
    if (step === told) return;
    told = step;
    report(progress);
  };
}
