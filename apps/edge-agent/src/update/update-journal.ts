import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import { AppError, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { z } from 'zod';

/**
 * The steps of an update. `ACTIVE`: it runs, on probation. `ROLLED_BACK`: it ran, and the release before runs again.
 * `FAILED`: it never ran. `INCONSISTENT`: it ran and failed, and the release before cannot take its place.
 */
const updateSteps = [
  'OFFERED',
  'DOWNLOADING',
  'VERIFIED',
  'STAGED',
  'SELF_TEST',
  'ACTIVE',
  'COMMITTED',
  'ROLLED_BACK',
  'FAILED',
  'INCONSISTENT',
] as const;
export type UpdateStep = (typeof updateSteps)[number];

const updateStateSchema = z
  .object({
    documentVersion: z.number().int().describe('Of the desired document.'),
    releaseVersion: z.string(),
    digest: z.string().describe('Of the release manifest.'),
    step: z.enum(updateSteps),
    error: z.string().describe('An error code; empty where nothing failed.'),
    attempt: z.number().int().min(1).describe('How often this document was begun with, restarts included.'),
    crashes: z.number().int().min(0).describe('Self-tests that ended with the process.'),
    atWallMs: z.number().describe('When the step began, by the clock of the box, ms since the epoch.'),
  })
  .readonly();

/** How far the box is with the desired release. */
export type UpdateState = z.infer<typeof updateStateSchema>;

/** {@link UpdateState} with how much of the download is here, while it is under way. */
export interface ObservedUpdate extends UpdateState {
  readonly progress?: { readonly receivedBytes: number; readonly totalBytes: number };
}

/** Is told each step after it was synced to the disk. Must not throw. */
export type UpdateListener = (update: ObservedUpdate) => void;

/** A release as a desired document offers it. */
export type OfferedRelease = Pick<UpdateState, 'documentVersion' | 'releaseVersion' | 'digest'>;

export interface UpdateJournalOptions {
  readonly path: string;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Logger;
  readonly onStep?: UpdateListener;
}

/** Remembers across boots and power cuts how far an update is. */
export class UpdateJournal {
  readonly #options: UpdateJournalOptions;
  #current: UpdateState | undefined;

  constructor(options: UpdateJournalOptions) {
    this.#options = options;
    const left = read(options.path, options.log);
    // A self-test that ended, well or not, has left its step behind: this one ended with the process.
    this.#current = left?.step === 'SELF_TEST' ? { ...left, step: 'STAGED', crashes: left.crashes + 1 } : left;
  }

  get current(): UpdateState | undefined {
    return this.#current;
  }

  /**
   * Begins with a document, or begins again.
   *
   * @throws AppError `RELEASE.STORAGE_FAILED` (retryable)
   */
  offer(offered: OfferedRelease): UpdateState {
    const { attempt, crashes } = this.#about(offered) ?? { attempt: 0, crashes: 0 };
    return this.#record({ ...this.#offered(offered, 'OFFERED'), attempt: attempt + 1, crashes });
  }

  /** Notes that what a document offers runs already. */
  adopt(offered: OfferedRelease, step: 'ACTIVE' | 'COMMITTED'): void {
    if (!this.#about(offered)) this.#recordOutcome({ ...this.#offered(offered, step), attempt: 1, crashes: 0 });
  }

  /**
   * Syncs a step to the disk before it is taken, unless another release is under way by now.
   *
   * @throws AppError `RELEASE.STORAGE_FAILED` (retryable)
   */
  step(offered: OfferedRelease, step: UpdateStep): void {
    const state = this.#about(offered);
    if (state) this.#record(this.#at(state, step, ''));
  }

  /**
   * Remembers what has happened to the release of this digest already: a disk that takes no more does not undo it.
   * That of a release which is not the newest desired one any more is not told.
   */
  outcome(digest: string, step: UpdateStep, error = ''): void {
    if (this.#current?.digest !== digest) return;
    this.#recordOutcome(this.#at(this.#current, step, error));
  }

  /** Notes why a step was not done yet: it will be tried again. */
  postpone(offered: OfferedRelease, error: string): void {
    const state = this.#about(offered);
    if (state) this.#recordOutcome(this.#at(state, stepToRetry(state.step), error));
  }

  /** Tells how much is here, without the disk. */
  progress(progress: NonNullable<ObservedUpdate['progress']>): void {
    if (this.#current) this.#options.onStep?.({ ...this.#current, progress });
  }

  /** The state, when it is about this document. */
  #about({ documentVersion, digest }: OfferedRelease): UpdateState | undefined {
    const state = this.#current;
    return state?.documentVersion === documentVersion && state.digest === digest ? state : undefined;
  }

  #recordOutcome(state: UpdateState): void {
    const { step } = state;
    try {
      this.#record(state);
    } catch (failure) {
      this.#options.log.error({ reason: errorMessage(failure), step }, 'a step of the update cannot be remembered');
      this.#take(state);
    }
  }

  #offered({ documentVersion, releaseVersion, digest }: OfferedRelease, step: UpdateStep) {
    return { documentVersion, releaseVersion, digest, step, error: '', atWallMs: this.#options.clock.wallMs() };
  }

  #at(state: UpdateState, step: UpdateStep, error: string): UpdateState {
    return { ...state, step, error, atWallMs: this.#options.clock.wallMs() };
  }

  #record(state: UpdateState): UpdateState {
    try {
      writeFileDurablySync(this.#options.path, JSON.stringify(state), 0o600);
    } catch (cause) {
      const facts = { retryable: true, cause };
      throw new AppError('RELEASE.STORAGE_FAILED', 'A step of the update cannot be remembered.', facts);
    }
    this.#take(state);
    return state;
  }

  #take(state: UpdateState): void {
    this.#current = state;
    this.#options.onStep?.(state);
  }
}

/** A self-test that was put off did not end the process. */
const stepToRetry = (step: UpdateStep): UpdateStep => (step === 'SELF_TEST' ? 'STAGED' : step);

function read(path: string, log: Logger): UpdateState | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return updateStateSchema.parse(JSON.parse(text));
  } catch {
    // The release store alone says what runs: only what the cloud is told is lost.
    log.error({ code: 'UPDATE.STATE_UNREADABLE' }, 'the remembered update is damaged: starting without');
    return undefined;
  }
}
