import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, toBinary } from '@bufbuild/protobuf';
import { IdentificationOutcome, RecordPayloadSchema, SightingPhase } from '@sightline/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { actionRules, ada, origin } from '../testing/action-stage.js';
import { TestLog } from '../testing/test-log.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { AgentActions, type AgentActionsOptions } from './agent-actions.js';

let directory: string;
let log: TestLog;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-agent-actions-'));
  log = new TestLog();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (options: Partial<AgentActionsOptions> = {}): AgentActions =>
  new AgentActions({
    ...{ rules: actionRules({ when: { decision: 'identified' } }), dataDirectory: directory, origin, environment: {} },
    ...{ isClockTrusted: () => true, clock: new VirtualClock(), random: () => 0, log, groupsOf: () => [] },
    ...options,
  });

const record = toBinary(
  RecordPayloadSchema,
  create(RecordPayloadSchema, {
    body: {
      case: 'sighting',
      value: {
        ...{ sightingId: 's1', revision: 1, phase: SightingPhase.OPEN, cameraId: 'door', lastSeenAt: {} },
        localDecision: { outcome: IdentificationOutcome.IDENTIFIED, personId: ada },
      },
    },
  }),
);

describe('the agent’s local actions', () => {
  it('follow what is recorded', async () => {
    const actions = open();
    actions.recorded(record);
    await expect.poll(() => actions.status.rules[0]?.succeeded).toBe(1);
    await actions.close(0);
  });

  it('never cost a sighting: what is wrong with them is told', async () => {
    const groupsOf = (): never => {
      throw new Error('broken');
    };
    const actions = open({ groupsOf });
    actions.recorded(record);
    actions.recorded(Uint8Array.of(255));
    expect(log.codes).toEqual(['ACTION.FAILED', 'ACTION.FAILED']);
    await actions.close(0);
  });

  it('open and look at nothing where there are no rules', async () => {
    const actions = open({ rules: [], dataDirectory: join(directory, 'none') });
    actions.recorded(Uint8Array.of(255));
    expect(actions.status).toEqual({ rules: [], interrupted: 0, overruled: 0 });
    expect(log.lines).toEqual([]);
    await actions.close(0);
  });
});
