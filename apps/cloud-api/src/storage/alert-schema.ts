import type { DeviceId, PersonId, SightingId, TenantId } from '@sightline/kernel';
import { boolean, doublePrecision, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { cloud, instant } from './columns.js';

// The typed view of migrations/0022-alerts.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export type AlertKind = 'watch-list' | 'drift' | 'retraining';
export type AlertDetails = Readonly<Record<string, string | number | boolean | null>>;

export const alert = cloud.table(
  'alert',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    kind: text('kind').$type<AlertKind>().notNull(),
    dedupeKey: text('dedupe_key').notNull(),
    raisedAt: instant('raised_at').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    late: boolean('late').notNull(),
    siteId: text('site_id'),
    deviceId: text('device_id').$type<DeviceId>(),
    cameraId: text('camera_id'),
    watchList: text('watch_list'),
    personId: uuid('person_id').$type<PersonId>(),
    sightingId: uuid('sighting_id').$type<SightingId>(),
    revision: integer('revision'),
    score: doublePrecision('score'),
    details: jsonb('details').$type<AlertDetails>().notNull().default({}),
    retractedAt: instant('retracted_at'),
    retraction: text('retraction').$type<'revised' | 'reviewed'>(),
    acknowledgedAt: instant('acknowledged_at'),
    acknowledgedBy: text('acknowledged_by'),
    raisedDispatchedAt: instant('raised_dispatched_at'),
    retractedDispatchedAt: instant('retracted_dispatched_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);
