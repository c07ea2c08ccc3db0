import type { Clock, ErrorCode } from '@sightline/kernel';

import type { ActionJournal } from './action-journal.js';
import type { Decision } from './decision.js';
import type { ActionCounts, RuleRunner } from './rule-runner.js';

export interface ActionRuleStatus extends ActionCounts {
  readonly ruleId: string;
  /** Code of what the last action failed of; null once one has succeeded. */
  readonly problem: ErrorCode | null;
}

export interface LocalActionsStatus {
  readonly rules: readonly ActionRuleStatus[];
  /** Actions that had been started when the last run ended: never started again. */
  readonly interrupted: number;
}

export interface LocalActionsOptions {
  readonly runners: readonly RuleRunner[];
  readonly journal: Pick<ActionJournal, 'interrupted' | 'close'>;
  readonly clock: Clock;
  readonly isClockTrusted: () => boolean;
  readonly onClosed?: () => void;
}

/** What the box does by itself when it, or the cloud in time, has decided who somebody is. */
export class LocalActions {
  readonly #options: LocalActionsOptions;
  #closed: Promise<void> | undefined;

  constructor(options: LocalActionsOptions) {
    this.#options = options;
  }

  get status(): LocalActionsStatus {
    const { runners, journal } = this.#options;
    const rules = runners.map(({ ruleId, counts, problem }) => ({ ruleId, ...counts, problem: problem ?? null }));
    return { rules, interrupted: journal.interrupted };
  }

  /** Fires the rules that wait for such a decision. Returns at once, and never throws. */
  decide(decision: Decision): void {
    if (this.#closed) return;
    const { runners, clock, isClockTrusted } = this.#options;
    const time = { wallMs: clock.wallMs(), isTrusted: isClockTrusted() };
    for (const runner of runners) runner.consider(decision, time);
  }

  /** Starts nothing more, lets what runs end for so long, breaks it off, and closes the journal. */
  close(withinMs: number): Promise<void> {
    this.#closed ??= this.#close(withinMs);
    return this.#closed;
  }

  async #close(withinMs: number): Promise<void> {
    const { runners, journal, clock, onClosed } = this.#options;
    const bound = new AbortController();
    const ended = new AbortController();
    const timeout = clock.sleep(withinMs, ended.signal).then(
      () => bound.abort(),
      () => undefined,
    );
    try {
      await Promise.all(runners.map((runner) => runner.close(bound.signal)));
    } finally {
      // Its timer would keep the process alive.
      ended.abort();
      await timeout;
      onClosed?.();
      journal.close();
    }
  }
}
