import type { DeviceId, StreamId, TenantId } from '@sightline/kernel';
import type { rest } from '@sightline/contracts';
import { bigint, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { cloud, instant } from '../storage/columns.js';

// The typed view of migrations/0009-delivery.sql.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const deviceId = () => text('device_id').$type<DeviceId>().notNull();

export const deviceHealth = cloud.table(
  'device_health',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    receivedAt: instant('received_at').notNull(),
    snapshot: jsonb('snapshot').$type<Omit<rest.DeviceHealth, 'at'>>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId] })],
);

export type WindowCounters = Omit<rest.HealthWindow, 'startedAt' | 'endedAt' | 'releaseDigest' | 'trialArm'>;

export const deviceHealthWindow = cloud.table(
  'device_health_window',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    streamId: uuid('stream_id').$type<StreamId>().notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    startedAt: instant('started_at').notNull(),
    endedAt: instant('ended_at').notNull(),
    releaseDigest: text('release_digest').notNull(),
    trialArm: text('trial_arm').notNull(),
    counters: jsonb('counters').$type<WindowCounters>().notNull(),
    receivedAt: instant('received_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId, table.streamId, table.sequence] })],
);

export const deviceCommand = cloud.table(
  'device_command',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    id: uuid('id').notNull(),
    kind: text('kind').$type<rest.Command['kind']>().notNull(),
    cameraId: text('camera_id'),
    state: text('state').$type<rest.Command['state']>().notNull(),
    error: text('error'),
    figures: jsonb('figures').$type<Readonly<Record<string, number>>>().notNull().default({}),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId, table.id] })],
);
