import type { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { boolean, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import type { MeasureCounts } from '../drift/camera-distributions.js';
import { cloud, instant } from './columns.js';

// The typed view of migrations/0021-drift.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export const driftPolicy = cloud.table('drift_policy', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  policy: jsonb('policy').$type<rest.CheckedDriftPolicy>().notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const driftWatch = cloud.table(
  'drift_watch',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    deviceId: text('device_id').$type<DeviceId>().notNull(),
    cameraId: text('camera_id').notNull(),
    siteId: text('site_id').notNull(),
    releaseDigest: text('release_digest').notNull(),
    variantDigest: text('variant_digest').notNull(),
    createdAt: instant('created_at').notNull(),
    baselineFrom: instant('baseline_from').notNull(),
    baselineUntil: instant('baseline_until'),
    baselineOrigin: text('baseline_origin').$type<rest.DriftBaselineOrigin>().notNull(),
    baseline: jsonb('baseline').$type<MeasureCounts>().notNull(),
    comparedAt: instant('compared_at'),
    driftingSince: instant('drifting_since'),
    episode: uuid('episode'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const driftReport = cloud.table(
  'drift_report',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    watchId: uuid('watch_id').notNull(),
    comparedAt: instant('compared_at').notNull(),
    windowFrom: instant('window_from').notNull(),
    windowUntil: instant('window_until').notNull(),
    measures: jsonb('measures').$type<readonly rest.DriftMeasure[]>().notNull(),
    drifting: boolean('drifting').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);
