import { AppError, type PersonId, type SightingId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { actionRules, ActionStage, ada, decision, FakeJournal, FakePerformer } from '../testing/action-stage.js';
import { notReceived, type Attempt } from './performer.js';

const never = (): Promise<void> => new Promise(() => undefined);
const sighting = (id: string): SightingId => id as SightingId;
const unreachable = async (): Promise<void> => {
  throw notReceived('ACTION.UNREACHABLE', 'Nobody is there.');
};

describe('a rule', () => {
  it('fires once for a sighting, however often that is decided', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({}), [performer]);
    await stage.clock.advance(100);
    for (const revision of [1, 1, 2]) stage.actions.decide(decision({ revision }));
    await stage.clock.advance(10);
    stage.actions.decide(decision({ revision: 3, source: 'cloud' }));
    stage.actions.decide(decision({ sightingId: sighting('s2') }));
    await stage.clock.advance(10);
    expect(performer.attempts.map(({ event }) => event().sightingId)).toEqual(['s1', 's2']);
    expect(stage.actions.status.rules).toMatchObject([{ ruleId: 'rule-1', started: 2, succeeded: 2, problem: null }]);
    expect(stage.settled[0]).toMatchObject({ ruleId: 'rule-1', kind: 'command', code: undefined, startedAfterMs: 100 });
  });

  it('fires when a later decision is the one that it waits for', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({ when: { decision: 'identified' } }), [performer]);
    stage.actions.decide(decision({ outcome: 'unknown', personId: undefined }));
    stage.actions.decide(decision({ revision: 2 }));
    await stage.clock.advance(1);
    expect(performer.attempts.map(({ event }) => event().revision)).toEqual([2]);
  });

  it('tells ids, times and scores, never a name', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({ id: 'door' }), [performer]);
    await stage.clock.advance(500);
    stage.isClockTrusted = false;
    stage.actions.decide(decision({ capturedAtMonotonicMs: 420, groups: ['board'] }));
    await stage.clock.advance(0);
    expect(performer.attempts[0]?.event()).toEqual({
      version: 1,
      eventId: 's1.door',
      ruleId: 'door',
      ...{ tenantId: 'acme', deviceId: 'door-1', siteId: 'main', cameraId: 'door', sightingId: 's1', revision: 1 },
      decision: { outcome: 'identified', personId: ada, score: 0.618, source: 'local' },
      ...{ quality: 0.75, liveScore: 0.9, capturedAt: '2026-01-01T00:00:00.420Z' },
      ...{ clockSynchronised: false, ageMs: 80 },
    });
  });

  it('is delayed by no other rule, however slow its receiver is', async () => {
    const [slow, quick] = [new FakePerformer(never), new FakePerformer()];
    const stage = new ActionStage(actionRules({ concurrency: 1, queueLimit: 2 }, {}), [slow, quick]);
    for (let index = 0; index < 10; index += 1) stage.actions.decide(decision({ sightingId: sighting(`s${index}`) }));
    await stage.clock.advance(1);
    expect(quick.attempts).toHaveLength(10);
    expect(slow.attempts).toHaveLength(1);
    expect(stage.actions.status.rules).toMatchObject([{ overloaded: 7 }, { succeeded: 10 }]);
    expect(stage.log.codes).toEqual(['ACTION.OVERLOADED']);
  });

  it('rests for a person after it was started, and fires for another', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({ when: { decision: 'any', cooldownMs: 10_000 } }), [performer]);
    const at = (id: string, fields = {}): void =>
      stage.actions.decide(
        decision({ sightingId: sighting(id), capturedAtMonotonicMs: stage.clock.monotonicMs(), ...fields }),
      );
    at('s1');
    at('s2');
    at('s3', { personId: 'bob' as PersonId });
    at('s4', { outcome: 'unknown', personId: undefined });
    at('s5', { outcome: 'unknown', personId: undefined });
    at('s6', { outcome: 'unknown', personId: undefined, cameraId: 'yard' });
    await stage.clock.advance(9999);
    at('s2');
    await stage.clock.advance(1);
    at('s2');
    await stage.clock.advance(1);
    expect(performer.attempts.map(({ event }) => event().sightingId)).toEqual(['s1', 's3', 's4', 's6', 's2']);
    expect(stage.actions.status.rules).toMatchObject([{ coolingDown: 3 }]);
  });
});

describe('what is late', () => {
  it('never fires: neither a stale decision, nor one that waited for its turn for too long', async () => {
    let release: () => void = () => undefined;
    const performer = new FakePerformer(() => new Promise((resolve) => (release = resolve)));
    const stage = new ActionStage(actionRules({ concurrency: 1 }), [performer]);
    await stage.clock.advance(2000);
    stage.actions.decide(decision({ sightingId: sighting('stale') }));
    stage.actions.decide(decision({ sightingId: sighting('first'), capturedAtMonotonicMs: 1900 }));
    stage.actions.decide(decision({ sightingId: sighting('waits'), capturedAtMonotonicMs: 1950 }));
    await stage.clock.advance(1950);
    release();
    await stage.clock.advance(1);
    expect(performer.attempts.map(({ event }) => event().sightingId)).toEqual(['first']);
    expect(stage.actions.status.rules).toMatchObject([{ late: 2, started: 1 }]);
    // A fresh decision about the same sighting may.
    stage.actions.decide(
      decision({ sightingId: sighting('waits'), revision: 2, capturedAtMonotonicMs: stage.clock.monotonicMs() }),
    );
    await stage.clock.advance(1);
    expect(performer.attempts).toHaveLength(2);
  });

  it('never fires when the disk took too long for its intention', async () => {
    const [performer, journal] = [new FakePerformer(), new FakeJournal()];
    const stage = new ActionStage(actionRules({ maximumDelayMs: 300 }), [performer], journal);
    journal.before = () => stage.clock.sleep(300);
    stage.actions.decide(decision());
    await stage.clock.advance(300);
    expect(performer.attempts).toEqual([]);
    expect(journal.entries.get('rule-1/s1')).toBe('late');
  });

  it('is told by the monotonic clock alone', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({}), [performer]);
    stage.clock.jumpWall(86_400_000);
    stage.actions.decide(decision());
    await stage.clock.advance(5000);
    stage.clock.jumpWall(-7 * 86_400_000);
    stage.actions.decide(decision({ sightingId: sighting('s2') }));
    await stage.clock.advance(1);
    expect(performer.attempts).toHaveLength(1);
  });
});

describe('what failed', () => {
  it('is tried again when it is certain that nothing was received, until it would be late', async () => {
    const performer = new FakePerformer(unreachable);
    const stage = new ActionStage(actionRules({ maximumDelayMs: 1000 }), [performer]);
    stage.actions.decide(decision());
    await stage.clock.advance(60_000);
    // Pauses of 20, 40, 80, 160, 250 and 250 ms.
    expect(performer.attempts).toHaveLength(7);
    expect(performer.attempts.at(-1)?.startWithinMs).toBe(200);
    expect(stage.actions.status.rules).toMatchObject([{ started: 1, failed: 1, problem: 'ACTION.UNREACHABLE' }]);
    expect(stage.settled).toMatchObject([{ code: 'ACTION.UNREACHABLE', endedAfterMs: 800 }]);
  });

  it('is not tried again when it may have been received, or the rule says so', async () => {
    const lost = new FakePerformer(async () => {
      throw new AppError('ACTION.TIMED_OUT', 'No answer.');
    });
    const once = new FakePerformer(unreachable);
    const stage = new ActionStage(actionRules({}, { retry: false }), [lost, once]);
    stage.actions.decide(decision());
    await stage.clock.advance(5000);
    stage.actions.decide(decision({ revision: 2, capturedAtMonotonicMs: 5000 }));
    await stage.clock.advance(5000);
    expect([lost.attempts.length, once.attempts.length]).toEqual([1, 1]);
  });

  it('does not make the rule rest when nothing was received', async () => {
    const performer = new FakePerformer(unreachable);
    const rules = actionRules({ retry: false, when: { decision: 'any', cooldownMs: 60_000 } });
    const stage = new ActionStage(rules, [performer]);
    stage.actions.decide(decision());
    await stage.clock.advance(1);
    stage.actions.decide(decision({ sightingId: sighting('s2') }));
    await stage.clock.advance(1);
    expect(performer.attempts).toHaveLength(2);
  });

  it('is told once for each kind of trouble in a row', async () => {
    const ends = [unreachable, unreachable, async () => undefined, unreachable];
    const performer = new FakePerformer(async (attempt: Attempt) => ends.shift()?.() ?? never.call(attempt));
    const stage = new ActionStage(actionRules({ retry: false }), [performer]);
    for (const id of ['s1', 's2', 's3', 's4']) {
      stage.actions.decide(decision({ sightingId: sighting(id) }));
      await stage.clock.advance(1);
    }
    expect(stage.log.codes).toEqual(['ACTION.UNREACHABLE', 'ACTION.UNREACHABLE']);
  });

  it('to be recorded never starts, and leaves the sighting free', async () => {
    const [performer, journal] = [new FakePerformer(), new FakeJournal()];
    const stage = new ActionStage(actionRules({}), [performer], journal);
    journal.before = async () => {
      throw new AppError('ACTION.JOURNAL_UNAVAILABLE', 'The disk is gone.');
    };
    stage.actions.decide(decision());
    await stage.clock.advance(1);
    expect(performer.attempts).toEqual([]);
    expect(stage.actions.status.rules).toMatchObject([{ started: 0, failed: 1 }]);
    journal.before = async () => undefined;
    stage.actions.decide(decision({ revision: 2 }));
    await stage.clock.advance(1);
    expect(performer.attempts).toHaveLength(1);
  });
});

describe('a schedule', () => {
  // The virtual clock begins on Thursday, 2026-01-01, 00:00 UTC.
  const schedule = { timeZone: 'UTC', from: '00:00', to: '06:00' };

  it('is not judged by a clock that nobody trusts, unless the rule says so', async () => {
    const performers = [new FakePerformer(), new FakePerformer()];
    const when = { decision: 'any' };
    const rules = actionRules(
      { when: { ...when, schedule } },
      { when: { ...when, schedule: { ...schedule, untrustedClock: 'fire' } } },
    );
    const stage = new ActionStage(rules, performers);
    stage.isClockTrusted = false;
    stage.actions.decide(decision());
    await stage.clock.advance(1);
    expect(performers.map(({ attempts }) => attempts.length)).toEqual([0, 1]);
    expect(stage.actions.status.rules).toMatchObject([{ clockUntrusted: 1 }, { clockUntrusted: 0 }]);
    expect(stage.log.codes).toEqual(['ACTION.CLOCK_UNTRUSTED']);
    stage.isClockTrusted = true;
    stage.actions.decide(decision({ revision: 2 }));
    await stage.clock.advance(1);
    expect(performers.map(({ attempts }) => attempts.length)).toEqual([1, 1]);
  });

  it('holds at the moment of the decision', async () => {
    const performer = new FakePerformer();
    const stage = new ActionStage(actionRules({ when: { decision: 'any', schedule } }), [performer]);
    stage.clock.jumpWall(6 * 3_600_000);
    stage.actions.decide(decision());
    await stage.clock.advance(1);
    stage.clock.jumpWall(-3_600_000);
    stage.actions.decide(decision());
    await stage.clock.advance(1);
    expect(performer.attempts).toHaveLength(1);
  });
});

describe('at a stop', () => {
  it('nothing more starts, what runs may end, and is broken off when it does not', async () => {
    const hangs = new FakePerformer(
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    const journal = new FakeJournal();
    const stage = new ActionStage(actionRules({ concurrency: 1 }), [hangs], journal);
    stage.actions.decide(decision());
    stage.actions.decide(decision({ sightingId: sighting('s2') }));
    await stage.clock.advance(1);
    const closed = stage.actions.close(500);
    stage.actions.decide(decision({ sightingId: sighting('s3') }));
    await stage.clock.advance(499);
    expect(journal.closed).toBe(false);
    await stage.clock.advance(1);
    await closed;
    expect(journal.closed).toBe(true);
    expect(hangs.closed).toBe(1);
    expect([...journal.entries]).toEqual([['rule-1/s1', 'failed']]);
    expect(stage.settled).toMatchObject([{ code: 'ACTION.ABORTED' }]);
  });
});
