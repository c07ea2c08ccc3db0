import type { Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { and, asc, desc, eq, gt, inArray, lt, or, sql } from 'drizzle-orm';

import type { RolloutEvent } from './decide-rollout.js';
import type { BucketCounts } from './gate.js';
import type { Bucket, FleetDevice, Member, Rollout, RolloutPlan } from './rollout.js';
import { desiredRelease, fleetDevice, rollout, rolloutDevice, rolloutEvent } from './rollout-tables.js';

type RolloutRow = typeof rollout.$inferSelect;
type MemberRow = typeof rolloutDevice.$inferSelect;
export type EventRow = typeof rolloutEvent.$inferSelect;

/** A rollout with what only people look at. */
export interface StoredRollout extends Rollout {
  readonly note: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

export interface NewRollout {
  readonly id: string;
  readonly tenantId: TenantId;
  readonly plan: RolloutPlan;
  readonly note: string;
  readonly createdBy: string;
}

/** What a transaction or the pool can be asked. */
type Reader = Pick<Transaction, 'select'>;

/** Held by whoever decides: rollouts share the places for downloads, and devices. */
export async function lockRollouts(tx: Transaction): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('sightline registry'), hashtext('rollouts'))`);
}

export async function insertRollout(tx: Transaction, fresh: NewRollout, nowMs: number): Promise<StoredRollout> {
  const now = new Date(nowMs);
  const started = { status: 'running', stage: 0, stageStartedAt: now, createdAt: now } as const;
  const [row] = await tx
    .insert(rollout)
    .values({ ...fresh, ...started })
    .returning();
  if (!row) throw new Error('a rollout was not stored');
  return rolloutOf(row);
}

/** One rollout of a tenant. */
export async function findRollout(db: Reader, tenantId: TenantId, id: string): Promise<StoredRollout | undefined> {
  const [row] = await db
    .select()
    .from(rollout)
    .where(and(eq(rollout.id, id), eq(rollout.tenantId, tenantId)));
  return row && rolloutOf(row);
}

/** Rollouts of a tenant, newest first, before one. */
export async function listRollouts(
  db: Reader,
  tenantId: TenantId,
  { before, limit }: { readonly before: number | undefined; readonly limit: number },
): Promise<readonly StoredRollout[]> {
  const rows = await db
    .select()
    .from(rollout)
    .where(and(eq(rollout.tenantId, tenantId), before === undefined ? undefined : lt(rollout.number, before)))
    .orderBy(desc(rollout.number))
    .limit(limit);
  return rows.map(rolloutOf);
}

/** Rollouts that there may be something to decide about, newest first: they have the first say. */
export async function activeRollouts(db: Reader): Promise<readonly StoredRollout[]> {
  const callsBack = sql`EXISTS (SELECT FROM ${rolloutDevice} m WHERE m.rollout_id = ${rollout.id} AND m.goal = 'previous'
    AND m.bucket <> 'superseded' AND (m.document_version IS NULL
      OR (${rollout.status} = 'rolled-back' AND m.bucket IN ('failed', 'silent'))))`;
  const rows = await db
    .select()
    .from(rollout)
    .where(or(inArray(rollout.status, ['running', 'paused', 'completed', 'rolling-back']), callsBack))
    .orderBy(desc(rollout.number));
  return rows.map(rolloutOf);
}

export async function saveRollout(tx: Transaction, { id, ...next }: Rollout): Promise<void> {
  const { status, stage, stageStartedAtMs, completedAtMs, reason } = next;
  await tx
    .update(rollout)
    .set({
      status,
      stage,
      stageStartedAt: new Date(stageStartedAtMs),
      completedAt: dateOf(completedAtMs),
      reason: reason ?? null,
    })
    .where(eq(rollout.id, id));
}

export async function membersOf(db: Reader, rolloutId: string): Promise<readonly Member[]> {
  const rows = await db.select().from(rolloutDevice).where(eq(rolloutDevice.rolloutId, rolloutId));
  return rows.map(memberOf);
}

/** Writes members, new or not, in one statement. */
export async function saveMembers(tx: Transaction, rolloutId: string, members: readonly Member[]): Promise<void> {
  if (members.length === 0) return;
  const rows = members.map(({ release, previous, offer, ...member }) => ({
    ...{ rollout_id: rolloutId, tenant_id: member.tenantId, device_id: member.deviceId, stage: member.stage },
    ...{ release_version: release?.version, release_digest: release?.digest },
    ...{ previous_version: previous.version, previous_digest: previous.digest, goal: member.goal },
    ...{
      document_version: offer?.documentVersion,
      offered_at: dateOf(offer?.atMs),
      deadline_at: dateOf(offer?.deadlineMs),
    },
    ...{ bucket: member.bucket, error: member.error },
    ...{ settled_at: dateOf(member.settledAtMs), fell_back_at: dateOf(member.fellBackAtMs) },
  }));
  await tx.execute(sql`
    INSERT INTO registry.rollout_device
      SELECT * FROM jsonb_populate_recordset(NULL::registry.rollout_device, ${JSON.stringify(rows)}::jsonb)
    ON CONFLICT (rollout_id, tenant_id, device_id) DO UPDATE SET
      goal = excluded.goal, document_version = excluded.document_version, offered_at = excluded.offered_at,
      deadline_at = excluded.deadline_at, bucket = excluded.bucket, error = excluded.error,
      settled_at = excluded.settled_at, fell_back_at = excluded.fell_back_at`);
}

/** The devices of a tenant. */
export async function fleetOf(db: Reader, tenantId: TenantId): Promise<readonly FleetDevice[]> {
  const rows = await db
    .select()
    .from(fleetDevice)
    .innerJoin(
      desiredRelease,
      and(eq(desiredRelease.tenantId, fleetDevice.tenantId), eq(desiredRelease.deviceId, fleetDevice.deviceId)),
    )
    .where(eq(fleetDevice.tenantId, tenantId));
  return rows.map(({ fleet_device: device, desired_release: desired }) => ({
    ...{ tenantId: device.tenantId, deviceId: device.deviceId, deviceClass: device.deviceClass },
    runningDigest: device.runningDigest ?? undefined,
    step: stepOf(device),
    desired: { version: desired.releaseVersion, digest: desired.releaseDigest },
    governor: desired.rolloutNumber ?? undefined,
  }));
}

export async function addEvent(
  tx: Transaction,
  rolloutId: string,
  { kind, stage, reason }: RolloutEvent,
  facts: { readonly nowMs: number; readonly actor: string | null; readonly counts: BucketCounts },
): Promise<void> {
  const { nowMs, actor, counts } = facts;
  await tx
    .insert(rolloutEvent)
    .values({ rolloutId, at: new Date(nowMs), kind, stage, actor, reason: reason ?? null, counts });
}

export function eventsOf(db: Reader, rolloutId: string): Promise<readonly EventRow[]> {
  return db.select().from(rolloutEvent).where(eq(rolloutEvent.rolloutId, rolloutId)).orderBy(asc(rolloutEvent.number));
}

/** A member as people look at it, with what its device says. */
export interface MemberRowWithDevice {
  readonly member: Member;
  readonly device: typeof fleetDevice.$inferSelect | null;
}

/** Members in the order of their device ids, after one. */
export async function listMembers(
  db: Reader,
  rolloutId: string,
  page: { readonly bucket: Bucket | undefined; readonly after: string | undefined; readonly limit: number },
): Promise<readonly MemberRowWithDevice[]> {
  const { bucket, after, limit } = page;
  const rows = await db
    .select()
    .from(rolloutDevice)
    .leftJoin(
      fleetDevice,
      and(eq(fleetDevice.tenantId, rolloutDevice.tenantId), eq(fleetDevice.deviceId, rolloutDevice.deviceId)),
    )
    .where(
      and(
        eq(rolloutDevice.rolloutId, rolloutId),
        bucket === undefined ? undefined : eq(rolloutDevice.bucket, bucket),
        after === undefined ? undefined : gt(rolloutDevice.deviceId, after as Member['deviceId']),
      ),
    )
    .orderBy(asc(rolloutDevice.deviceId))
    .limit(limit);
  return rows.map(({ rollout_device: row, fleet_device: device }) => ({ member: memberOf(row), device }));
}

function rolloutOf({ stageStartedAt, completedAt, reason, ...row }: RolloutRow): StoredRollout {
  return {
    ...row,
    stageStartedAtMs: stageStartedAt.getTime(),
    completedAtMs: completedAt?.getTime(),
    reason: reason ?? undefined,
  };
}

function memberOf(row: MemberRow): Member {
  const { releaseVersion, releaseDigest, documentVersion, offeredAt, deadlineAt } = row;
  return {
    ...{ tenantId: row.tenantId, deviceId: row.deviceId, stage: row.stage, goal: row.goal },
    release:
      releaseVersion === null || releaseDigest === null
        ? undefined
        : { version: releaseVersion, digest: releaseDigest },
    previous: { version: row.previousVersion, digest: row.previousDigest },
    offer:
      documentVersion === null || offeredAt === null || deadlineAt === null
        ? undefined
        : { documentVersion, atMs: offeredAt.getTime(), deadlineMs: deadlineAt.getTime() },
    ...{ bucket: row.bucket, error: row.error },
    settledAtMs: row.settledAt?.getTime(),
    fellBackAtMs: row.fellBackAt?.getTime(),
  };
}

function stepOf(row: typeof fleetDevice.$inferSelect): FleetDevice['step'] {
  const { step, stepDocumentVersion, stepDigest, stepAt } = row;
  if (step === null || stepDocumentVersion === null || stepDigest === null || stepAt === null) return undefined;
  return {
    ...{ documentVersion: stepDocumentVersion, digest: stepDigest, step, atMs: stepAt.getTime() },
    ...{ error: row.stepError ?? '', attempt: row.stepAttempt ?? 1 },
    ...{ receivedBytes: row.stepReceivedBytes ?? 0, totalBytes: row.stepTotalBytes ?? 0 },
  };
}

function dateOf(ms: number | undefined): Date | null {
  return ms === undefined ? null : new Date(ms);
}
