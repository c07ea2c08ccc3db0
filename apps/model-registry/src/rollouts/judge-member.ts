import { ReleaseStep } from '@sightline/contracts';

import {
  goalOf,
  isSuperseded,
  type Bucket,
  type DeviceStep,
  type FleetDevice,
  type Member,
  type Offer,
} from './rollout.js';

/** Nobody said more of a failure than that it was one. */
const FAILED = 'ROLLOUT.FAILED';
/** The device left the release after it had been ok. */
const FELL_BACK = 'ROLLOUT.FELL_BACK';
/** The device was at it, and its time was over. */
const TOO_SLOW = 'ROLLOUT.TOO_SLOW';

export interface Judgement {
  readonly bucket: Bucket;
  readonly error: string;
}

const gaveUp: ReadonlySet<ReleaseStep> = new Set([
  ReleaseStep.ROLLED_BACK,
  ReleaseStep.FAILED,
  ReleaseStep.INCONSISTENT,
]);
const final: ReadonlySet<Bucket> = new Set(['rejected', 'withdrawn']);

/**
 * What became of a member, from what its device says. The running digest alone proves success; a step can only deny it:
 * a device on probation runs the release, and may still go back.
 *
 * @param device undefined: the fleet knows it no more
 * @param rolloutNumber a device that a newer rollout decides about is out of this one's hands
 */
export function judgeMember(
  member: Member,
  device: FleetDevice | undefined,
  { rolloutNumber, nowMs }: { readonly rolloutNumber: number; readonly nowMs: number },
): Judgement {
  if (isSuperseded(device, rolloutNumber) && member.bucket !== 'rejected') return { bucket: 'superseded', error: '' };
  if (final.has(member.bucket)) return { bucket: member.bucket, error: member.error };
  if (!member.offer) return pending;
  const step = stepTowards(member, device);
  if (step && gaveUp.has(step.step)) return failed(step, FAILED);
  if (device?.runningDigest !== goalOf(member)?.digest) {
    return hasFallenBack(member) ? failed(step, FELL_BACK) : inTime(member.offer, step, nowMs);
  }
  const isOnProbation = step !== undefined && step.step !== ReleaseStep.COMMITTED && member.bucket !== 'ok';
  return isOnProbation ? inTime(member.offer, step, nowMs) : { bucket: 'ok', error: '' };
}

const pending: Judgement = { bucket: 'pending', error: '' };

function failed(step: DeviceStep | undefined, otherwise: string): Judgement {
  return { bucket: 'failed', error: step === undefined || step.error === '' ? otherwise : step.error };
}

/** Of a device that is not there yet. */
function inTime({ atMs, deadlineMs }: Offer, step: DeviceStep | undefined, nowMs: number): Judgement {
  if (nowMs < deadlineMs) return pending;
  const isHeard = step !== undefined && (step.error !== '' || step.atMs >= atMs + (deadlineMs - atMs) / 2);
  return isHeard ? failed(step, TOO_SLOW) : { bucket: 'silent', error: '' };
}

/** The device's newest step, when it is one towards the member's goal and not of an older document. */
function stepTowards(member: Member, device: FleetDevice | undefined): DeviceStep | undefined {
  const step = device?.step;
  const isTowards =
    step !== undefined &&
    member.offer !== undefined &&
    step.documentVersion >= member.offer.documentVersion &&
    step.digest === goalOf(member)?.digest;
  return isTowards ? step : undefined;
}

function hasFallenBack({ bucket, fellBackAtMs }: Member): boolean {
  return bucket === 'ok' || fellBackAtMs !== undefined;
}

/** A device that was told holds its place so long without a word, ms: one that is not there must not stop the others. */
const UNHEARD_MS = 60_000;
/** And so long while it downloads. */
const DOWNLOADING_MS = 600_000;

/** Whether a member may be downloading now. */
export function holdsPlace(member: Member, device: FleetDevice | undefined, nowMs: number): boolean {
  const { offer, bucket } = member;
  if (!offer || bucket !== 'pending') return false;
  const step = stepTowards(member, device);
  if (!step) return nowMs - offer.atMs < UNHEARD_MS;
  const loads = step.step === ReleaseStep.OFFERED || step.step === ReleaseStep.DOWNLOADING;
  return loads && nowMs - step.atMs < DOWNLOADING_MS;
}
