import { AppError } from '@sightline/kernel';

import { advanced, type RolloutEvent } from './decide-rollout.js';
import type { Member, Rollout, RolloutStatus } from './rollout.js';

/** What a person may do to a rollout. */
export const rolloutCommands = ['advance', 'pause', 'resume', 'cancel', 'rollback'] as const;
export type RolloutCommand = (typeof rolloutCommands)[number];

/** In which statuses a command has a meaning. */
const allowed: Readonly<Record<RolloutCommand, readonly RolloutStatus[]>> = {
  advance: ['running', 'paused'],
  pause: ['running'],
  resume: ['paused'],
  cancel: ['running', 'paused'],
  rollback: ['running', 'paused', 'completed', 'cancelled'],
};

export interface CommandOutcome {
  readonly rollout: Rollout;
  readonly event: RolloutEvent;
  /** Members with another goal or outcome than before. */
  readonly changed: readonly Member[];
}

/**
 * What a command makes of a rollout.
 * - `advance` opens the next stage whatever became of this one, or completes the rollout
 * - `pause` lets no device begin; those that were told go on
 * - `resume` goes on, and stops again if the reason is still there
 * - `cancel` ends it: devices that are ok keep the release, all others are told what they were told before
 * - `rollback` tells every device what it was told before
 *
 * @throws AppError `ROLLOUT.NOT_ALLOWED` when its status does not allow it
 */
export function obey(
  command: RolloutCommand,
  rollout: Rollout,
  members: readonly Member[],
  nowMs: number,
): CommandOutcome {
  if (!allowed[command].includes(rollout.status)) {
    throw new AppError('ROLLOUT.NOT_ALLOWED', `A rollout that is ${rollout.status} cannot do this: ${command}.`);
  }
  const { stage } = rollout;
  switch (command) {
    case 'advance':
      return { ...advanced(rollout, nowMs), changed: [] };
    case 'pause':
      return {
        rollout: { ...rollout, status: 'paused', reason: undefined },
        event: { kind: 'paused', stage },
        changed: [],
      };
    case 'resume':
      return {
        rollout: { ...rollout, status: 'running', reason: undefined },
        event: { kind: 'resumed', stage },
        changed: [],
      };
    case 'cancel': {
      const changed = members.filter(isInHand).flatMap((member) => cancelled(member, nowMs));
      return {
        rollout: { ...rollout, status: 'cancelled', reason: undefined },
        event: { kind: 'cancelled', stage },
        changed,
      };
    }
    case 'rollback': {
      const changed = members.filter(isInHand).map((member) => calledBack(member, nowMs));
      const next = { ...rollout, status: 'rolling-back' as const, reason: undefined };
      return { rollout: next, event: { kind: 'rolling-back', stage }, changed };
    }
  }
}

function isInHand({ bucket }: Member): boolean {
  return bucket !== 'superseded' && bucket !== 'rejected';
}

function cancelled(member: Member, nowMs: number): readonly Member[] {
  if (member.bucket === 'ok') return [];
  const outcome = member.bucket === 'pending' ? ({ bucket: 'withdrawn', settledAtMs: nowMs } as const) : {};
  return [{ ...member, ...outcome, ...(member.offer && toldBefore) }];
}

function calledBack(member: Member, nowMs: number): Member {
  // Whoever was told nothing has nothing to go back from, nor has whoever was called back already.
  if (!member.offer || member.goal === 'previous') {
    return member.bucket === 'pending' ? { ...member, bucket: 'withdrawn', settledAtMs: nowMs } : member;
  }
  return { ...member, ...toldBefore, bucket: 'pending', error: '', settledAtMs: undefined, fellBackAtMs: undefined };
}

const toldBefore = { goal: 'previous', offer: undefined } as const;
