import { randomUUID } from 'node:crypto';

import { ReleaseStep } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type TenantId } from '@sightline/kernel';
import { Injectable } from '@nestjs/common';

import { countBuckets, countedOf, gateOf, judgedBy, type BucketCounts } from './gate.js';
import { goalOf, type Member, type ReleaseChoice, type ReleaseRef } from './rollout.js';
import type { RolloutCommand } from './rollout-commands.js';
import type { RolloutEngine } from './rollout-engine.js';
import {
  eventsOf,
  findRollout,
  listMembers,
  listRollouts,
  membersOf,
  type MemberRowWithDevice,
  type StoredRollout,
} from './rollout-store.js';
import type {
  CreateRollout,
  RolloutDevice,
  RolloutDevicePage,
  RolloutDeviceQuery,
  RolloutPage,
  RolloutQuery,
  RolloutReport,
  RolloutView,
} from './rollout.schemas.js';

export interface RolloutsOptions {
  readonly database: Pick<Database, 'db'>;
  readonly engine: Pick<RolloutEngine, 'create' | 'command'>;
  /** A published release that a tenant may have. Throws `RELEASE.NOT_FOUND`, and what forbids it. */
  readonly releaseFor: (tenantId: TenantId, version: string) => Promise<ReleaseRef>;
}

/** Rollouts, as people see them. Nobody sees another tenant's. */
@Injectable()
export class Rollouts {
  constructor(private readonly options: RolloutsOptions) {}

  /** @throws AppError `RELEASE.NOT_FOUND`, and what forbids a release to the tenant */
  async create(tenantId: TenantId, actor: string, body: CreateRollout): Promise<RolloutView> {
    const { release, selector, percentage, stages, deadlineSeconds, note } = body;
    const plan = { releases: await this.#choice(tenantId, release), selector, percentage, stages, deadlineSeconds };
    const id = randomUUID();
    await this.options.engine.create({ id, tenantId, plan, note, createdBy: actor });
    return viewOf(await this.#found(tenantId, id));
  }

  async list(tenantId: TenantId, { before, limit }: RolloutQuery): Promise<RolloutPage> {
    const found = await listRollouts(this.options.database.db, tenantId, { before, limit: limit + 1 });
    const items = found.slice(0, limit);
    return { items: items.map(viewOf), nextBefore: found.length > limit ? (items.at(-1)?.number ?? null) : null };
  }

  /** @throws AppError `ROLLOUT.NOT_FOUND` */
  async report(tenantId: TenantId, id: string): Promise<RolloutReport> {
    const { db } = this.options.database;
    const rollout = await this.#found(tenantId, id);
    const [members, events] = await Promise.all([membersOf(db, id), eventsOf(db, id)]);
    const counts = countBuckets(members);
    return {
      rollout: viewOf(rollout),
      gate: gateOf(rollout.plan.stages[rollout.stage], judgedBy(rollout, members)),
      ...{ counts, share: shareOf(counts) },
      stages: rollout.plan.stages.map(({ percentage }, index) => {
        const own = countBuckets(members.filter(({ stage }) => stage === index));
        return { percentage, counts: own, share: shareOf(own) };
      }),
      errors: errorsOf(members),
      events: events.map(({ at, kind, stage, actor, reason, counts: then }) => {
        return { at: at.toISOString(), kind, stage, actor, reason, counts: then };
      }),
    };
  }

  /** @throws AppError `ROLLOUT.NOT_FOUND` */
  async devices(
    tenantId: TenantId,
    id: string,
    { bucket, after, limit }: RolloutDeviceQuery,
  ): Promise<RolloutDevicePage> {
    await this.#found(tenantId, id);
    const found = await listMembers(this.options.database.db, id, { bucket, after, limit: limit + 1 });
    const items = found.slice(0, limit).map(deviceOf);
    return { items, nextAfter: found.length > limit ? (items.at(-1)?.deviceId ?? null) : null };
  }

  /** @throws AppError `ROLLOUT.NOT_FOUND`, `ROLLOUT.NOT_ALLOWED` */
  async command(tenantId: TenantId, id: string, command: RolloutCommand, actor: string): Promise<RolloutView> {
    await this.options.engine.command(tenantId, id, command, actor);
    return viewOf(await this.#found(tenantId, id));
  }

  async #choice(tenantId: TenantId, release: CreateRollout['release']): Promise<ReleaseChoice> {
    const refOf = async (named: string): Promise<ReleaseRef> => {
      const { version, digest } = await this.options.releaseFor(tenantId, named);
      return { version, digest };
    };
    if (typeof release === 'string') return { byDeviceClass: {}, otherwise: await refOf(release) };
    const named = Object.entries(release.byDeviceClass).map(
      async ([name, version]) => [name, await refOf(version)] as const,
    );
    const byDeviceClass = Object.fromEntries(await Promise.all(named));
    return release.otherwise === undefined
      ? { byDeviceClass }
      : { byDeviceClass, otherwise: await refOf(release.otherwise) };
  }

  async #found(tenantId: TenantId, id: string): Promise<StoredRollout> {
    const found = await findRollout(this.options.database.db, tenantId, id);
    if (!found) throw new AppError('ROLLOUT.NOT_FOUND', 'There is no rollout of this id.');
    return found;
  }
}

function viewOf(rollout: StoredRollout): RolloutView {
  const { id, number, status, reason = null, stage, stageStartedAtMs, completedAtMs, plan, note } = rollout;
  const { releases, selector, percentage, stages, deadlineSeconds } = plan;
  return {
    ...{ id, number, status, reason, stage, note, percentage, deadlineSeconds, createdBy: rollout.createdBy },
    selector: {
      ...(selector.deviceIds && { deviceIds: [...selector.deviceIds] }),
      ...(selector.deviceClasses && { deviceClasses: [...selector.deviceClasses] }),
    },
    stages: [...stages],
    releases: { byDeviceClass: releases.byDeviceClass, otherwise: releases.otherwise ?? null },
    stageStartedAt: new Date(stageStartedAtMs).toISOString(),
    completedAt: isoOf(completedAtMs),
    createdAt: rollout.createdAt.toISOString(),
  };
}

function deviceOf({ member, device }: MemberRowWithDevice): RolloutDevice {
  const { deviceId, stage, bucket, error, offer } = member;
  return {
    ...{ deviceId, stage, bucket, error, goal: goalOf(member) ?? null },
    documentVersion: offer?.documentVersion ?? null,
    ...(device ? sayingsOf(device) : nothingSaid),
    ...{ offeredAt: isoOf(offer?.atMs), deadlineAt: isoOf(offer?.deadlineMs) },
    ...{ settledAt: isoOf(member.settledAtMs), fellBackAt: isoOf(member.fellBackAtMs) },
  };
}

type Sayings = Pick<RolloutDevice, 'deviceClass' | 'running' | 'step' | 'attempt' | 'receivedBytes' | 'totalBytes'>;

/** A box may say any number. */
const stepNames: Readonly<Record<number, string>> = ReleaseStep;

/** Of a device that the fleet knows no more. */
const nothingSaid: Sayings = {
  ...{ deviceClass: null, running: null, step: null, attempt: null, receivedBytes: null, totalBytes: null },
};

function sayingsOf(device: NonNullable<MemberRowWithDevice['device']>): Sayings {
  const { deviceClass, runningVersion, runningDigest, step } = device;
  return {
    deviceClass,
    running: runningDigest === null ? null : { version: runningVersion ?? '', digest: runningDigest },
    step: step === null ? null : (stepNames[step] ?? null),
    ...{ attempt: device.stepAttempt, receivedBytes: device.stepReceivedBytes, totalBytes: device.stepTotalBytes },
  };
}

function shareOf(counts: BucketCounts): { readonly ok: number; readonly of: number } {
  return { ok: counts.ok, of: countedOf(counts) };
}

function errorsOf(members: readonly Member[]): { code: string; devices: number }[] {
  const counts = new Map<string, number>();
  for (const { error } of members) if (error !== '') counts.set(error, (counts.get(error) ?? 0) + 1);
  return [...counts].map(([code, devices]) => ({ code, devices })).sort((a, b) => b.devices - a.devices);
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
