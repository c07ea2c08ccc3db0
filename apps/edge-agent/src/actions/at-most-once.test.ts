import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger, type SightingId } from '@sightline/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { actionRules, ActionStage, decision, FakePerformer } from '../testing/action-stage.js';
import { ActionJournal } from './action-journal.js';
import { notReceived } from './performer.js';

let directory: string;

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sightline-once-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const openJournal = (home: string): ActionJournal =>
  new ActionJournal({ path: join(home, 'actions.db'), log: silentLogger });

/** What happens to an agent: a decision about a sighting, some time, or its death. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ sighting: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 2, arbitrary: fc.record({ dies: fc.constant(true) }) },
);

describe('at most once', () => {
  it('a rule acts upon a sighting, whenever the agent dies, and whatever fails', async () => {
    const rules = actionRules({ concurrency: 2, maximumDelayMs: 200 }, { queueLimit: 1, concurrency: 1 });
    let lives = 0;
    const history = fc.array(happening, { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        async (happenings, luck: Iterator<number, number>) => {
          lives += 1;
          let home = join(directory, `life-${lives}`);
          const received = new Map<string, number>();
          let life = { isOver: false };
          const start = (): ActionStage => {
            const own = { isOver: false };
            life = own;
            const performer = new FakePerformer(async ({ event }) => {
              const chance = luck.next().value;
              if (chance > 7) throw notReceived('ACTION.UNREACHABLE', 'Nobody is there.');
              await stage.clock.sleep(chance * 40);
              // The dead do nothing.
              if (own.isOver) return;
              const { eventId } = event();
              received.set(eventId, (received.get(eventId) ?? 0) + 1);
            });
            const stage = new ActionStage(rules, [performer, performer], openJournal(home));
            return stage;
          };
          let stage = start();
          for (const what of happenings) {
            if ('sighting' in what) {
              const sightingId = `s${what.sighting}` as SightingId;
              stage.actions.decide(decision({ sightingId, capturedAtMonotonicMs: stage.clock.monotonicMs() }));
            } else if ('passMs' in what) await stage.clock.advance(what.passMs);
            else {
              life.isOver = true;
              // What is on the disk at this moment is all that the next run has.
              lives += 1;
              const next = join(directory, `life-${lives}`);
              cpSync(home, next, { recursive: true });
              home = next;
              stage = start();
            }
          }
          await stage.clock.advance(1000);
          expect([...received.values()].filter((times) => times > 1)).toEqual([]);
        },
      ),
      { numRuns: 15 },
    );
  });
});
