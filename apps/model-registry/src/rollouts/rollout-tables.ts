import type { ReleaseStep } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { bigint, integer, jsonb, pgSchema, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';

import type { RolloutEventKind } from './decide-rollout.js';
import type { BucketCounts } from './gate.js';
import type { Bucket, Member, RolloutPlan, RolloutStatus } from './rollout.js';

// The typed view of migrations/*.sql, which are the truth and say what the columns mean.

const registry = pgSchema('registry');
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
const count = (name: string) => bigint(name, { mode: 'number' });
const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const deviceId = () => text('device_id').$type<DeviceId>().notNull();

export const desiredRelease = registry.table(
  'desired_release',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    version: count('version').notNull(),
    releaseVersion: text('release_version').notNull(),
    releaseDigest: text('release_digest').notNull(),
    repositoryUrl: text('repository_url').notNull(),
    changedAt: instant('changed_at').notNull(),
    rolloutNumber: count('rollout_number'),
    publishedVersion: count('published_version').notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId] })],
);

export const fleetDevice = registry.table(
  'fleet_device',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    deviceClass: text('device_class').notNull(),
    runningVersion: text('running_version'),
    runningDigest: text('running_digest'),
    runningBootId: text('running_boot_id'),
    runningBootMs: count('running_boot_ms'),
    step: integer('step').$type<ReleaseStep>(),
    stepDocumentVersion: count('step_document_version'),
    stepDigest: text('step_digest'),
    stepError: text('step_error'),
    stepAttempt: integer('step_attempt'),
    stepReceivedBytes: count('step_received_bytes'),
    stepTotalBytes: count('step_total_bytes'),
    stepAt: instant('step_at'),
    stepBootId: text('step_boot_id'),
    stepBootMs: count('step_boot_ms'),
    firstSeenAt: instant('first_seen_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId] })],
);

export const rollout = registry.table('rollout', {
  id: uuid('id').primaryKey(),
  number: count('number').generatedAlwaysAsIdentity().notNull(),
  tenantId: tenantId(),
  plan: jsonb('plan').$type<RolloutPlan>().notNull(),
  note: text('note').notNull(),
  status: text('status').$type<RolloutStatus>().notNull(),
  stage: integer('stage').notNull(),
  stageStartedAt: instant('stage_started_at').notNull(),
  completedAt: instant('completed_at'),
  reason: text('reason'),
  createdAt: instant('created_at').notNull(),
  createdBy: text('created_by').notNull(),
});

export const rolloutDevice = registry.table(
  'rollout_device',
  {
    rolloutId: uuid('rollout_id').notNull(),
    tenantId: tenantId(),
    deviceId: deviceId(),
    stage: integer('stage').notNull(),
    releaseVersion: text('release_version'),
    releaseDigest: text('release_digest'),
    previousVersion: text('previous_version').notNull(),
    previousDigest: text('previous_digest').notNull(),
    goal: text('goal').$type<Member['goal']>().notNull(),
    documentVersion: count('document_version'),
    offeredAt: instant('offered_at'),
    deadlineAt: instant('deadline_at'),
    bucket: text('bucket').$type<Bucket>().notNull(),
    error: text('error').notNull(),
    settledAt: instant('settled_at'),
    fellBackAt: instant('fell_back_at'),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.tenantId, table.deviceId] })],
);

export const rolloutEvent = registry.table('rollout_event', {
  number: count('number').generatedAlwaysAsIdentity().notNull(),
  rolloutId: uuid('rollout_id').notNull(),
  at: instant('at').notNull(),
  kind: text('kind').$type<RolloutEventKind>().notNull(),
  stage: integer('stage').notNull(),
  actor: text('actor'),
  reason: text('reason'),
  counts: jsonb('counts').$type<BucketCounts>().notNull(),
});
