import { gateOf, judgedBy, type Gate } from './gate.js';
import { judgeMember } from './judge-member.js';
import { deviceKey, isSuperseded, type FleetDevice, type Member, type Rollout, type RolloutStatus } from './rollout.js';
import { inOrder, isSelected, quotaOf, releaseFor } from './stage-members.js';

/** Why a rollout stopped by itself. */
const SHARE_MISSED = 'ROLLOUT.SUCCESS_SHARE_MISSED';
/** Why a device is left out. */
const NO_RELEASE = 'ROLLOUT.NO_RELEASE_FOR_CLASS';

export type RolloutEventKind =
  | 'created'
  | 'advanced'
  | 'completed'
  | 'paused'
  | 'resumed'
  | 'reopened'
  | 'cancelled'
  | 'rolling-back'
  | 'rolled-back'
  | 'superseded';

/** Something that happened to a rollout. */
export interface RolloutEvent {
  readonly kind: RolloutEventKind;
  /** Index of the stage that is open since. */
  readonly stage: number;
  readonly reason?: string | undefined;
}

export interface RolloutFacts {
  readonly rollout: Rollout;
  readonly fleet: readonly FleetDevice[];
  readonly members: readonly Member[];
}

/** What is to be done. */
export interface RolloutDecision {
  /** The rollout as it goes on. */
  readonly rollout: Rollout;
  readonly joined: readonly Member[];
  /** Members with another outcome than before. */
  readonly changed: readonly Member[];
  /** Members that are to be told, as soon as there is room, in this order. */
  readonly waiting: readonly Member[];
  readonly gate: Gate;
  readonly events: readonly RolloutEvent[];
}

/** Statuses in which more devices may come in. */
const open: ReadonlySet<RolloutStatus> = new Set(['running', 'completed']);

/**
 * Decides what a rollout does next. Pure: the same facts at the same time give the same answer. It moves by one stage at
 * most: the next one's devices have to come in before it can be judged.
 */
export function decideRollout({ rollout, fleet, members }: RolloutFacts, nowMs: number): RolloutDecision {
  const devices = new Map(fleet.map((device) => [deviceKey(device), device]));
  const judged = members.map((member) => withOutcome(member, devices.get(deviceKey(member)), rollout, nowMs));
  const changed = judged.filter((member, index) => member !== members[index]);
  const reopened = hasReopened(rollout, judged) ? { ...rollout, status: 'running' as const } : rollout;
  const joined = open.has(reopened.status) ? joining(reopened, fleet, judged, nowMs) : [];
  const all = [...judged, ...joined];
  const gate = gateOf(rollout.plan.stages[rollout.stage], judgedBy(rollout, all));
  const { rollout: next, event } = moved(reopened, all, gate, nowMs);
  const events = [...(reopened === rollout ? [] : [eventOf(reopened, 'reopened')]), ...(event ? [event] : [])];
  return { rollout: next, joined, changed, waiting: waitingOf(next, all), gate, events };
}

function withOutcome(member: Member, device: FleetDevice | undefined, rollout: Rollout, nowMs: number): Member {
  // What was called off stays as it was, but for devices that are in other hands before they were called back.
  if (rollout.status === 'cancelled' && !(isSuperseded(device, rollout.number) && isUntold(member))) return member;
  const { bucket, error } = judgeMember(member, device, { rolloutNumber: rollout.number, nowMs });
  if (bucket === member.bucket && error === member.error) return member;
  const fellBack = member.bucket === 'ok' && bucket === 'failed' && member.goal === 'release';
  return {
    ...member,
    ...{ bucket, error },
    settledAtMs: bucket === 'pending' ? undefined : nowMs,
    fellBackAtMs: fellBack ? nowMs : member.fellBackAtMs,
  };
}

function hasReopened({ status, completedAtMs = 0 }: Rollout, members: readonly Member[]): boolean {
  return (
    status === 'completed' &&
    members.some(({ bucket, fellBackAtMs = 0 }) => bucket === 'failed' && fellBackAtMs > completedAtMs)
  );
}

/** Devices that come in now: as many as the open stage's share of all asks for, and whoever is left out anyway. */
function joining(
  { id, number, stage, plan }: Rollout,
  fleet: readonly FleetDevice[],
  members: readonly Member[],
  nowMs: number,
): readonly Member[] {
  const known = new Set(members.map(deviceKey));
  const isKnown = (device: FleetDevice): boolean => known.has(deviceKey(device));
  const rejected: Member[] = [];
  const candidates: { readonly device: FleetDevice; readonly member: Member }[] = [];
  for (const device of inOrder(
    id,
    fleet.filter((one) => isSelected(plan.selector, one) && !isKnown(one)),
  )) {
    const release = releaseFor(plan, device);
    const fresh = { tenantId: device.tenantId, deviceId: device.deviceId, stage, release, previous: device.desired };
    const member = {
      ...fresh,
      goal: 'release',
      offer: undefined,
      settledAtMs: undefined,
      fellBackAtMs: undefined,
    } as const;
    if (!release) rejected.push({ ...member, bucket: 'rejected', error: NO_RELEASE, settledAtMs: nowMs });
    else candidates.push({ device, member: { ...member, bucket: 'pending', error: '' } });
  }
  const inIt = members.filter(({ bucket }) => bucket !== 'rejected').length;
  const room = Math.max(0, quotaOf(plan, stage, inIt + candidates.length) - inIt);
  const joined = candidates.slice(0, room).map(({ device, member }): Member => {
    return isSuperseded(device, number) ? { ...member, bucket: 'superseded', settledAtMs: nowMs } : member;
  });
  return [...rejected, ...joined];
}

function moved(
  rollout: Rollout,
  members: readonly Member[],
  gate: Gate,
  nowMs: number,
): { readonly rollout: Rollout; readonly event?: RolloutEvent } {
  const { status, stage, plan } = rollout;
  const isLast = stage === plan.stages.length - 1;
  const inIt = members.filter(({ bucket }) => bucket !== 'rejected');
  if (status === 'running') {
    // The last of stages that people open needs nobody to say so when there is nothing to decide about.
    const isPlain =
      gate === 'manual' && isLast && inIt.every(({ bucket }) => bucket === 'ok' || bucket === 'superseded');
    if (gate === 'met' || isPlain) return advanced(rollout, nowMs);
    if (gate === 'missed') return changedTo({ ...rollout, status: 'paused', reason: SHARE_MISSED }, 'paused');
  }
  const hasNobody = inIt.length > 0 && inIt.every(({ bucket }) => bucket === 'superseded');
  if (status === 'completed' && hasNobody) return changedTo({ ...rollout, status: 'superseded' }, 'superseded');
  const isBack = status === 'rolling-back' && members.every(({ bucket }) => bucket !== 'pending');
  return isBack ? changedTo({ ...rollout, status: 'rolled-back' }, 'rolled-back') : { rollout };
}

/** The rollout with its next stage open, or completed after the last. */
export function advanced(rollout: Rollout, nowMs: number): { readonly rollout: Rollout; readonly event: RolloutEvent } {
  const stage = rollout.stage + 1;
  const running = { ...rollout, status: 'running' as const, reason: undefined };
  return stage < rollout.plan.stages.length
    ? changedTo({ ...running, stage, stageStartedAtMs: nowMs }, 'advanced')
    : changedTo({ ...running, status: 'completed', completedAtMs: nowMs }, 'completed');
}

function changedTo(
  rollout: Rollout,
  kind: RolloutEventKind,
): { readonly rollout: Rollout; readonly event: RolloutEvent } {
  return { rollout, event: eventOf(rollout, kind) };
}

function eventOf({ stage, reason }: Rollout, kind: RolloutEventKind): RolloutEvent {
  return { kind, stage, reason };
}

/** Who is not told yet what to run. A paused rollout tells nobody; one that is over still calls devices back. */
function waitingOf({ status }: Rollout, members: readonly Member[]): readonly Member[] {
  if (status === 'paused' || status === 'superseded') return [];
  return members.filter(isUntold);
}

function isUntold({ offer, bucket, goal }: Member): boolean {
  return !offer && bucket !== 'superseded' && (bucket === 'pending' || goal === 'previous');
}
