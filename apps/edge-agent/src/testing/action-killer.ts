import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { silentLogger, systemClock, type SightingId } from '@sightline/kernel';

import { ActionJournal } from '../actions/action-journal.js';
import { LocalActions } from '../actions/local-actions.js';
import { RuleRunner } from '../actions/rule-runner.js';
import { actionRules, decision, origin } from './action-stage.js';

/**
 * A process that dies by SIGKILL at the start of its first action, when the second argument is `dies`: the intention
 * is in the journal, and nothing has happened. Another run gets that decision once more, and a new one.
 */
const [, , directory = '', fate] = process.argv;
const clock = systemClock;
const journal = new ActionJournal({ path: join(directory, 'actions.db'), log: silentLogger });
if (journal.interrupted > 0) process.stdout.write(`interrupted ${journal.interrupted}\n`);
const isClockTrusted = (): boolean => true;
const runners = actionRules({ id: 'door' }).map(
  (rule) =>
    new RuleRunner({
      ...{ rule, journal, origin, clock, isClockTrusted, random: Math.random, log: silentLogger },
      performer: {
        perform: async ({ event }) => {
          await new Promise<void>((resolve) => process.stdout.write('about to act\n', () => resolve()));
          if (fate === 'dies') process.kill(process.pid, 'SIGKILL');
          appendFileSync(join(directory, 'done'), `${event().eventId}\n`);
        },
        close: async () => undefined,
      },
      onSettled: () => undefined,
    }),
);
const actions = new LocalActions({ runners, journal, clock, isClockTrusted });
for (const id of fate === 'dies' ? ['s1'] : ['s1', 's2']) {
  actions.decide(decision({ sightingId: id as SightingId, capturedAtMonotonicMs: clock.monotonicMs() }));
}
// What has an intention ends within this turn or is waited for.
await clock.sleep(50);
await actions.close(1000);
