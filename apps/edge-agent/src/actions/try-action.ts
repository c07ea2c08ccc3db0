import { AppError, newSightingId, silentLogger, systemClock, type PersonId } from '@sightline/kernel';

import { exitCodes } from '../commands/exit-codes.js';
import type { ActionRule } from '../config/actions-config.js';
import type { EdgeAgentConfig } from '../config/config.js';
import { loadEdgeAgentConfig } from '../config/load-config.js';
import { systemClockSynchronised } from '../device-clock.js';
import type { ActionJournal } from './action-journal.js';
import { composeActions } from './compose-actions.js';
import type { Decision } from './decision.js';
import type { SettledAction } from './rule-runner.js';

/** Of nobody: the nil UUID (RFC 9562, section 5.9). */
const NOBODY = '00000000-0000-0000-0000-000000000000' as PersonId;

/** Nothing of a trial is remembered; an agent that runs keeps its journal to itself. */
const noJournal: Pick<ActionJournal, 'begin' | 'end' | 'interrupted' | 'close'> = {
  interrupted: 0,
  begin: async () => true,
  end: () => undefined,
  close: () => undefined,
};

/**
 * Does the action of a rule with a made-up event, whatever the rule's conditions, and prints how it went.
 *
 * @throws AppError `CONFIG.INVALID`, also when there is no such rule
 */
export async function tryAction(ruleId: string, configPath: string): Promise<void> {
  const config = loadEdgeAgentConfig(configPath, process.env, silentLogger);
  const rule = config.actions.find(({ id }) => id === ruleId);
  if (!rule) throw new AppError('CONFIG.INVALID', 'The configuration has no action of this id.');
  const { code, startedAfterMs, endedAfterMs } = await act(config, rule);
  const took = `${Math.round(endedAfterMs - startedAfterMs)} ms`;
  console.log(code === undefined ? `${ruleId}: done in ${took}` : `${ruleId}: ${code} after ${took}`);
  if (code !== undefined) process.exitCode = exitCodes.failed;
}

async function act(
  { provisioning, dataDirectory, cameras }: EdgeAgentConfig,
  rule: ActionRule,
): Promise<SettledAction> {
  const { tenantId, deviceId, siteId } = provisioning;
  const settled: { resolve: (settled: SettledAction) => void } = { resolve: () => undefined };
  const ended = new Promise<SettledAction>((resolve) => (settled.resolve = resolve));
  const actions = composeActions({
    rules: [{ ...rule, when: { decision: 'any', source: 'either', cooldownMs: 0 } }],
    ...{ dataDirectory, origin: { tenantId, deviceId, siteId }, environment: process.env, journal: noJournal },
    ...{ clock: systemClock, random: Math.random, log: silentLogger, isClockTrusted: systemClockSynchronised },
    onSettled: (how) => settled.resolve(how),
  });
  actions.decide(madeUpDecision(rule, cameras[0]?.id ?? ''));
  const how = await ended;
  await actions.close(0);
  return how;
}

function madeUpDecision({ when }: ActionRule, camera: string): Decision {
  const isUnknown = when.decision === 'unknown';
  return {
    sightingId: newSightingId(),
    revision: 1,
    cameraId: when.cameras?.[0] ?? camera,
    outcome: isUnknown ? 'unknown' : 'identified',
    personId: isUnknown ? undefined : ((when.people?.[0] as PersonId | undefined) ?? NOBODY),
    groups: [],
    score: 0,
    quality: 0,
    liveScore: undefined,
    source: when.source === 'cloud' ? 'cloud' : 'local',
    capturedAtMonotonicMs: systemClock.monotonicMs(),
  };
}
