import type { VerifiedBundle } from '@sightline/contracts';
import { AppError, type Clock, type Logger, type Sha256 } from '@sightline/kernel';
import type { ReleaseStore } from '@sightline/release-trust';

import type { ActiveRelease, RecogniserSlot } from '../pipeline/recogniser-slot.js';
import { describeFailure } from './describe-failure.js';
import type { UpdateStep } from './update-journal.js';

export interface ProbationOptions {
  readonly store: Pick<ReleaseStore, 'commit' | 'rollBack' | 'previous' | 'slots'>;
  readonly slot: RecogniserSlot;
  /** Opens and tests a release. */
  readonly open: (bundle: VerifiedBundle) => Promise<ActiveRelease>;
  /** How long a new release has to run well, ms. */
  readonly durationMs: number;
  /** Calls of the recogniser that failed since the start of the agent. */
  readonly failures: () => number;
  readonly onOutcome: (digest: Sha256, step: UpdateStep, error: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** So many failing calls are let pass: a frame that cannot be read fails alone, a bad release again and again. */
const FAILURES_ALLOWED = 10;
/** The failures are looked at so often in a probation. */
const LOOKS = 20;

/** Watches a release that was just activated: it is committed in the end, or the one before runs again. */
export class Probation {
  readonly #options: ProbationOptions;
  #watch: { readonly controller: AbortController; readonly finished: Promise<void> } | undefined;

  constructor(options: ProbationOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#watch !== undefined;
  }

  begin(digest: Sha256): void {
    const controller = new AbortController();
    const finished = (async () => {
      try {
        await this.#pass(digest, controller.signal);
      } catch (error) {
        if (controller.signal.aborted) return;
        this.#options.log.error({ ...describeFailure(error), digest }, 'a probation could not be ended');
      }
      if (this.#watch?.controller === controller) this.#watch = undefined;
    })();
    this.#watch = { controller, finished };
  }

  /** Ends the watch without a verdict. A roll-back that has begun is waited for. */
  async end(): Promise<void> {
    this.#watch?.controller.abort(new Error('the probation is over'));
    await this.#watch?.finished;
    this.#watch = undefined;
  }

  async #pass(digest: Sha256, signal: AbortSignal): Promise<void> {
    const { store, log, onOutcome } = this.#options;
    if ((await store.slots()).bootsLeft !== undefined) {
      try {
        await this.#watchFailures(signal);
      } catch (error) {
        if (signal.aborted) throw error;
        log.error({ ...describeFailure(error), digest }, 'a release did not pass its probation');
        await this.#rollBack(digest, describeFailure(error).code);
        return;
      }
      await store.commit(digest);
    }
    onOutcome(digest, 'COMMITTED', '');
    log.info({ digest }, 'release committed');
  }

  async #watchFailures(signal: AbortSignal): Promise<void> {
    const { clock, durationMs, failures } = this.#options;
    const before = failures();
    for (let look = 0; look < LOOKS; look += 1) {
      await clock.sleep(durationMs / LOOKS, signal);
      if (failures() - before > FAILURES_ALLOWED) {
        throw new AppError('RELEASE.PROBATION_FAILED', 'Recognition failed again and again with the new release.');
      }
    }
  }

  async #rollBack(digest: Sha256, code: string): Promise<void> {
    const { store, slot, open, onOutcome } = this.#options;
    let step: UpdateStep = 'INCONSISTENT';
    try {
      const bundle = await store.previous();
      if (!bundle) return;
      const release = await open(bundle);
      await store.rollBack();
      await slot.swap(release);
      step = 'ROLLED_BACK';
    } finally {
      onOutcome(digest, step, code);
    }
  }
}
