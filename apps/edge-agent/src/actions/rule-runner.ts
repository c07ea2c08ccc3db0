import {
  AppError,
  backoffMs,
  errorMessage,
  isAppError,
  type Clock,
  type ErrorCode,
  type Logger,
} from '@sightline/kernel';

import type { ActionRule } from '../config/actions-config.js';
import { actionEvent, type ActionOrigin } from './action-event.js';
import type { ActionJournal } from './action-journal.js';
import { ActionLane } from './action-lane.js';
import { Cooldown } from './cooldown.js';
import type { Decision } from './decision.js';
import type { Performer } from './performer.js';
import { verdictOf, type WallTime } from './verdict.js';

/** How often, since the start. */
export interface ActionCounts {
  /** Intentions that were recorded. */
  readonly started: number;
  readonly succeeded: number;
  /** Started, and not known to have happened; or the journal could not take them. */
  readonly failed: number;
  /** Could not start, or not be handed over, within the rule's delay. */
  readonly late: number;
  /** Too many waited. */
  readonly overloaded: number;
  readonly coolingDown: number;
  /** The schedule could not be judged. */
  readonly clockUntrusted: number;
}

/** How one action ended. */
export interface SettledAction {
  readonly ruleId: string;
  readonly kind: ActionRule['do']['kind'];
  /** `undefined` when it succeeded. */
  readonly code: ErrorCode | undefined;
  /** From the capture of the decisive frame to the start and to the end, ms. */
  readonly startedAfterMs: number;
  readonly endedAfterMs: number;
}

export interface RuleRunnerOptions {
  readonly rule: ActionRule;
  readonly performer: Performer;
  readonly journal: Pick<ActionJournal, 'begin' | 'end'>;
  readonly origin: ActionOrigin;
  readonly clock: Clock;
  readonly isClockTrusted: () => boolean;
  readonly random: () => number;
  readonly log: Logger;
  readonly onSettled: (settled: SettledAction) => void;
}

/** Sightings whose action was started or waits: more than are ever in view. The journal knows them all. */
const HANDLED_LIMIT = 2000;
const RETRY = { baseMs: 40, capMs: 500 };
const none: ActionCounts = {
  ...{ started: 0, succeeded: 0, failed: 0 },
  ...{ late: 0, overloaded: 0, coolingDown: 0, clockUntrusted: 0 },
};

/**
 * One rule at work: decision → verdict → its own queue → journal → action.
 *
 * Invariants: an action starts only after its intention is durable, and at most once for a sighting; it starts
 * within the rule's delay of the decisive frame's capture or never. A decision that was dropped before the journal
 * leaves the sighting free for its next one.
 */
export class RuleRunner {
  readonly #options: RuleRunnerOptions;
  readonly #lane: ActionLane;
  readonly #cooldown: Cooldown;
  readonly #handled = new Set<string>();
  readonly #closing = new AbortController();
  #counts = none;
  #problem: ErrorCode | undefined;

  constructor(options: RuleRunnerOptions) {
    this.#options = options;
    this.#lane = new ActionLane(options.rule);
    this.#cooldown = new Cooldown(options.rule.when.cooldownMs);
  }

  get ruleId(): string {
    return this.#options.rule.id;
  }

  get counts(): ActionCounts {
    return this.#counts;
  }

  /** Code of what the last action failed of; undefined once one has succeeded. */
  get problem(): ErrorCode | undefined {
    return this.#problem;
  }

  /** Fires when the rule waits for such a decision. Returns at once. */
  consider(decision: Decision, time: WallTime): void {
    const verdict = verdictOf(this.#options.rule, decision, time);
    if (verdict === 'other' || this.#handled.has(decision.sightingId)) return;
    if (verdict === 'clock-untrusted') {
      this.#drop(decision, 'clockUntrusted', 'ACTION.CLOCK_UNTRUSTED');
      return;
    }
    this.#handled.add(decision.sightingId);
    if (!this.#lane.offer(() => this.#run(decision))) this.#drop(decision, 'overloaded', 'ACTION.OVERLOADED');
  }

  /** Starts nothing more; waits for what runs, and breaks it off when the signal fires. */
  async close(bound: AbortSignal): Promise<void> {
    this.#lane.clear();
    const abort = (): void => this.#closing.abort(new AppError('ACTION.ABORTED', 'The agent has ended.'));
    if (bound.aborted) abort();
    bound.addEventListener('abort', abort, { once: true });
    await this.#lane.idle();
    await this.#options.performer.close();
  }

  /** Never rejects. */
  async #run(decision: Decision): Promise<void> {
    const { rule, journal, clock } = this.#options;
    const { sightingId } = decision;
    if (this.#remainingMs(decision) <= 0) {
      this.#drop(decision, 'late', 'ACTION.LATE');
      return;
    }
    const subject = decision.personId ?? `unknown at ${decision.cameraId}`;
    if (!this.#cooldown.take(subject, clock.monotonicMs())) {
      this.#drop(decision, 'coolingDown');
      return;
    }
    try {
      if (!(await journal.begin(rule.id, sightingId))) return;
    } catch (error) {
      this.#cooldown.giveBack(subject);
      this.#drop(decision, 'failed', codeOf(error));
      return;
    }
    this.#count('started');
    this.#forgetOldest();
    const startedAfterMs = this.#ageMs(decision);
    const error = await this.#performWithRetries(decision);
    if (isAppError(error) && error.retryable) this.#cooldown.giveBack(subject);
    const isLate = isAppError(error, 'ACTION.LATE');
    const state = error === undefined ? 'succeeded' : isLate ? 'late' : 'failed';
    journal.end(rule.id, sightingId, state);
    this.#count(state);
    this.#report(decision, error, startedAfterMs);
  }

  /** @returns why it failed */
  async #performWithRetries(decision: Decision): Promise<unknown> {
    const { rule, performer, clock, random } = this.#options;
    const { signal } = this.#closing;
    let failure: unknown = new AppError('ACTION.LATE', 'It could not start in time.', { retryable: true });
    for (let attempt = 0; !signal.aborted && this.#remainingMs(decision) > 0; attempt += 1) {
      try {
        const startWithinMs = this.#remainingMs(decision);
        await performer.perform({ event: () => this.#event(decision), startWithinMs, signal });
        return undefined;
      } catch (error) {
        failure = error;
      }
      if (!rule.retry || !isAppError(failure) || !failure.retryable) break;
      const pauseMs = backoffMs(attempt, { ...RETRY, random });
      if (pauseMs >= this.#remainingMs(decision)) break;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
    return failure;
  }

  #event(decision: Decision): ReturnType<typeof actionEvent> {
    const { rule, origin, clock, isClockTrusted } = this.#options;
    const time = { wallMs: clock.wallMs(), isTrusted: isClockTrusted(), ageMs: this.#ageMs(decision) };
    return actionEvent(rule.id, origin, decision, time);
  }

  #ageMs({ capturedAtMonotonicMs }: Decision): number {
    return this.#options.clock.monotonicMs() - capturedAtMonotonicMs;
  }

  #remainingMs(decision: Decision): number {
    return this.#options.rule.maximumDelayMs - this.#ageMs(decision);
  }

  #drop(decision: Decision, reason: keyof ActionCounts, code?: ErrorCode): void {
    this.#handled.delete(decision.sightingId);
    this.#count(reason);
    if (code === undefined) return;
    this.#trouble({ code, sightingId: decision.sightingId }, 'an action was not started');
  }

  #report(decision: Decision, error: unknown, startedAfterMs: number): void {
    const { rule, log, onSettled } = this.#options;
    const { sightingId } = decision;
    const kind = rule.do.kind;
    const endedAfterMs = this.#ageMs(decision);
    const code = error === undefined ? undefined : codeOf(error);
    const facts = { ruleId: rule.id, kind, sightingId, startedAfterMs, endedAfterMs };
    if (code === undefined) {
      this.#problem = undefined;
      log.info(facts, 'an action was done');
    } else {
      // An AppError's own words hold no address and no secret; others may.
      const details = isAppError(error) ? { ...error.details, cause: errorMessage(error) } : {};
      this.#trouble({ ...facts, code, ...details }, 'an action failed');
    }
    onSettled({ ruleId: rule.id, kind, code, startedAfterMs, endedAfterMs });
  }

  /** Told once for each kind of trouble in a row: a receiver that is away for weeks is not to fill the log. */
  #trouble(facts: Readonly<Record<string, unknown>> & { readonly code: ErrorCode }, message: string): void {
    const { log, rule } = this.#options;
    const isNews = facts.code !== this.#problem;
    this.#problem = facts.code;
    if (isNews) log.warn({ ruleId: rule.id, ...facts }, message);
    else log.debug({ ruleId: rule.id, ...facts }, message);
  }

  #count(what: keyof ActionCounts): void {
    this.#counts = { ...this.#counts, [what]: this.#counts[what] + 1 };
  }

  #forgetOldest(): void {
    const [oldest] = this.#handled;
    if (this.#handled.size > HANDLED_LIMIT && oldest !== undefined) this.#handled.delete(oldest);
  }
}

function codeOf(error: unknown): ErrorCode {
  return isAppError(error) ? error.code : 'ACTION.FAILED';
}
