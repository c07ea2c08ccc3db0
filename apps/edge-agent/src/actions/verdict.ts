import { isInSchedule } from '@sightline/kernel';

import type { ActionRule, Condition } from '../config/actions-config.js';
import type { Decision } from './decision.js';

/** The box's time at the moment of the decision. */
export interface WallTime {
  /** ms since the Unix epoch. */
  readonly wallMs: number;
  /** Whether the clock is known to be right. */
  readonly isTrusted: boolean;
}

/** `clock-untrusted`: all but the schedule is fulfilled, and nobody knows what time it is. */
export type Verdict = 'fires' | 'other' | 'clock-untrusted';

/** Whether a decision is one that a rule waits for. Pure: when and how often it fires is decided elsewhere. */
export function verdictOf({ when }: Pick<ActionRule, 'when'>, decision: Decision, time: WallTime): Verdict {
  if (!isMeant(when, decision) || !isGoodEnough(when, decision)) return 'other';
  const { schedule } = when;
  if (!schedule) return 'fires';
  if (!time.isTrusted && schedule.untrustedClock === 'refuse') return 'clock-untrusted';
  return isInSchedule(schedule, time.wallMs) ? 'fires' : 'other';
}

function isMeant({ decision: outcome, source, groups, people, cameras }: Condition, decision: Decision): boolean {
  const { personId } = decision;
  if (outcome !== 'any' && outcome !== decision.outcome) return false;
  if (source !== 'either' && source !== decision.source) return false;
  if (cameras && !cameras.includes(decision.cameraId)) return false;
  if (people && (personId === undefined || !people.includes(personId))) return false;
  return !groups || decision.groups.some((group) => groups.includes(group));
}

function isGoodEnough({ presentationAttack, minimumQuality = 0 }: Condition, decision: Decision): boolean {
  if (decision.quality < minimumQuality) return false;
  return !presentationAttack || (decision.liveScore ?? -1) >= presentationAttack.minimumLiveScore;
}
