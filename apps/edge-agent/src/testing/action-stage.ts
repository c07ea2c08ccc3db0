import { type PersonId, type SightingId } from '@sightline/kernel';

import type { ActionOrigin } from '../actions/action-event.js';
import type { ActionJournal } from '../actions/action-journal.js';
import type { Decision } from '../actions/decision.js';
import { LocalActions } from '../actions/local-actions.js';
import type { Attempt, Performer } from '../actions/performer.js';
import { RuleRunner, type SettledAction } from '../actions/rule-runner.js';
import { actionsSchema, type ActionRule } from '../config/actions-config.js';
import { TestLog } from './test-log.js';
import { VirtualClock } from './virtual-clock.js';

export const origin: ActionOrigin = { tenantId: 'acme', deviceId: 'door-1', siteId: 'main' };
export const ada = '0190b5f0-0000-7000-8000-00000000000a' as PersonId;

type RuleInput = Readonly<Record<string, unknown>>;

/** Rules as the configuration has them; what a test does not care for is filled in. */
export function actionRules(...inputs: readonly RuleInput[]): readonly ActionRule[] {
  return actionsSchema.parse(
    inputs.map((input, index) => ({
      id: `rule-${index + 1}`,
      when: { decision: 'any' },
      do: { kind: 'command', program: '/bin/true' },
      ...input,
    })),
  );
}

export function decision(fields: Partial<Decision> = {}): Decision {
  return {
    sightingId: 's1' as SightingId,
    revision: 1,
    cameraId: 'door',
    outcome: 'identified',
    personId: ada,
    groups: [],
    score: 0.61803,
    quality: 0.75,
    liveScore: 0.9,
    source: 'local',
    capturedAtMonotonicMs: 0,
    ...fields,
  };
}

/** Actions that only remember; a test decides how each attempt ends. */
export class FakePerformer implements Performer {
  readonly attempts: Attempt[] = [];
  closed = 0;
  /** How the next attempts end. */
  perform: (attempt: Attempt) => Promise<void>;

  constructor(end: (attempt: Attempt) => Promise<void> = async () => undefined) {
    this.perform = async (attempt) => {
      this.attempts.push(attempt);
      await end(attempt);
    };
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

type Journal = Pick<ActionJournal, 'begin' | 'end' | 'interrupted' | 'close'>;

/** A journal in memory. */
export class FakeJournal implements Journal {
  readonly entries = new Map<string, string>();
  readonly interrupted = 0;
  closed = false;
  /** Resolves before an intention is recorded. */
  before: () => Promise<void> = async () => undefined;

  async begin(ruleId: string, sightingId: string): Promise<boolean> {
    await this.before();
    const key = `${ruleId}/${sightingId}`;
    if (this.entries.has(key)) return false;
    this.entries.set(key, 'started');
    return true;
  }

  end(ruleId: string, sightingId: string, state: string): void {
    this.entries.set(`${ruleId}/${sightingId}`, state);
  }

  close(): void {
    this.closed = true;
  }
}

/** Rules at work on virtual time. */
export class ActionStage {
  readonly clock = new VirtualClock();
  readonly log = new TestLog();
  readonly settled: SettledAction[] = [];
  readonly actions: LocalActions;
  isClockTrusted = true;

  constructor(
    rules: readonly ActionRule[],
    performers: readonly Performer[],
    readonly journal: Journal = new FakeJournal(),
  ) {
    const isClockTrusted = (): boolean => this.isClockTrusted;
    const runners = rules.map((rule, index) => {
      const performer = performers[index];
      if (!performer) throw new Error('one performer for each rule');
      const onSettled = (settled: SettledAction): void => void this.settled.push(settled);
      const { clock, log } = this;
      return new RuleRunner({
        rule,
        performer,
        journal,
        origin,
        clock,
        isClockTrusted,
        random: () => 0,
        log,
        onSettled,
      });
    });
    this.actions = new LocalActions({ runners, journal, clock: this.clock, isClockTrusted });
  }
}
