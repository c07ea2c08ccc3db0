import type { DeviceAddress, ReleaseStep } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';

/** A release as a device is told it. */
export interface ReleaseRef {
  readonly version: string;
  readonly digest: string;
}

/** Which devices of its tenant a rollout is for. Every part that is given has to fit; an empty selector is all of them. */
export interface Selector {
  readonly deviceIds?: readonly string[] | undefined;
  readonly deviceClasses?: readonly string[] | undefined;
}

/** What opens the next stage: a person, or so large a share of successes among so many devices. */
export type Advance =
  | 'manual'
  | {
      /** Above 0, at most 1. Exact: `ok / all ≥ successShare`. */
      readonly successShare: number;
      /** So many devices must have an outcome. */
      readonly minimumDevices: number;
      /** How long each device of the stage may take. Default: the rollout's. */
      readonly deadlineSeconds?: number | undefined;
    };

export interface Stage {
  /** How much of the rollout has the release once the stage is open, percent, in tenths; the last is 100. */
  readonly percentage: number;
  readonly advance: Advance;
}

/** The release of each device class, and of all others. A class without one is left out of the rollout. */
export interface ReleaseChoice {
  readonly byDeviceClass: Readonly<Record<string, ReleaseRef>>;
  readonly otherwise?: ReleaseRef | undefined;
}

/** What was asked for. Never changes. */
export interface RolloutPlan {
  readonly releases: ReleaseChoice;
  readonly selector: Selector;
  /** Of the selected devices, percent, in tenths. */
  readonly percentage: number;
  readonly stages: readonly Stage[];
  /** How long each device may take from the moment when it was told. */
  readonly deadlineSeconds: number;
}

/** `superseded`: newer rollouts decide about every device that a completed one had. */
export const rolloutStatuses = [
  'running',
  'paused',
  'completed',
  'cancelled',
  'rolling-back',
  'rolled-back',
  'superseded',
] as const;
export type RolloutStatus = (typeof rolloutStatuses)[number];

export interface Rollout {
  readonly id: string;
  /** Whose devices it may have. */
  readonly tenantId: TenantId;
  /** Grows with every rollout: of two that have a device, the newer one decides. */
  readonly number: number;
  readonly plan: RolloutPlan;
  readonly status: RolloutStatus;
  /** Index of the newest open stage. */
  readonly stage: number;
  readonly stageStartedAtMs: number;
  readonly completedAtMs: number | undefined;
  /** Why it is paused; absent when a person did it. */
  readonly reason: string | undefined;
}

/**
 * What became of a device:
 * - `ok`: it runs the release, by its own word, and is not on probation
 * - `failed`: it said that it could not, or fell back later, or was too slow
 * - `silent`: its time is over, and nothing was heard of its update in the last half of it
 * - `rejected`: the rollout has no release that it may have
 * - `superseded`: a newer rollout decides about it
 * - `withdrawn`: the rollout ended before the device had an outcome
 * - `pending`: none of these yet
 */
export const buckets = ['ok', 'failed', 'silent', 'rejected', 'superseded', 'withdrawn', 'pending'] as const;
export type Bucket = (typeof buckets)[number];

/** How far a device has come with a document. */
export interface DeviceStep {
  readonly documentVersion: number;
  readonly digest: string;
  readonly step: ReleaseStep;
  /** Empty: nothing went wrong. */
  readonly error: string;
  readonly attempt: number;
  readonly receivedBytes: number;
  readonly totalBytes: number;
  readonly atMs: number;
}

/** A device as the registry knows it. */
export interface FleetDevice extends DeviceAddress {
  readonly deviceClass: string;
  /** By its own word; undefined: none, or it never said. */
  readonly runningDigest: string | undefined;
  readonly step: DeviceStep | undefined;
  /** What it is told to run. */
  readonly desired: ReleaseRef;
  /** Number of the rollout that decides about it; undefined: none. */
  readonly governor: number | undefined;
}

export interface Offer {
  readonly documentVersion: number;
  readonly atMs: number;
  readonly deadlineMs: number;
}

/** A device in a rollout. */
export interface Member extends DeviceAddress {
  /** With which stage it came in. */
  readonly stage: number;
  /** Undefined: the rollout has none for it. */
  readonly release: ReleaseRef | undefined;
  /** What it was told to run before. */
  readonly previous: ReleaseRef;
  /** Which of the two it is to run. */
  readonly goal: 'release' | 'previous';
  /** When it was told, and what its document was then. */
  readonly offer: Offer | undefined;
  readonly bucket: Bucket;
  /** Why it failed or was rejected; empty otherwise. */
  readonly error: string;
  readonly settledAtMs: number | undefined;
  /** When it last left the release after it had been ok. */
  readonly fellBackAtMs: number | undefined;
}

/** The release that a member is to run; undefined: none. */
export function goalOf({
  goal,
  release,
  previous,
}: Pick<Member, 'goal' | 'release' | 'previous'>): ReleaseRef | undefined {
  return goal === 'release' ? release : previous;
}

/** Whether a newer rollout than this decides about a device. */
export function isSuperseded(device: Pick<FleetDevice, 'governor'> | undefined, rolloutNumber: number): boolean {
  return device?.governor !== undefined && device.governor > rolloutNumber;
}

/** One text for one device of one tenant: both are slugs, without a slash. */
export function deviceKey({ tenantId, deviceId }: DeviceAddress): string {
  return `${tenantId}/${deviceId}`;
}
