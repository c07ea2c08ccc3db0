import type { DeviceId, PersonId, SightingId, TenantId, WeeklySchedule } from '@sightline/kernel';
import { boolean, doublePrecision, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

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

export const alertPolicy = cloud.table('alert_policy', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  cooldownSeconds: integer('cooldown_seconds').notNull(),
  cooldownPlace: text('cooldown_place').$type<'camera' | 'site'>().notNull(),
  lateAfterSeconds: integer('late_after_seconds').notNull(),
  maximumAgeSeconds: integer('maximum_age_seconds').notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const alertSubscription = cloud.table(
  'alert_subscription',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    label: text('label').notNull(),
    kinds: text('kinds').array().$type<AlertKind[]>().notNull(),
    watchLists: text('watch_lists').array().notNull(),
    sites: text('sites').array().notNull(),
    schedule: jsonb('schedule').$type<WeeklySchedule>(),
    channel: text('channel').$type<'webhook' | 'mqtt'>().notNull(),
    url: text('url'),
    wrappedSecret: bytea('wrapped_secret'),
    wrappedPreviousSecret: bytea('wrapped_previous_secret'),
    previousSecretExpiresAt: instant('previous_secret_expires_at'),
    secretRotatedAt: instant('secret_rotated_at'),
    disabledReason: text('disabled_reason').$type<'request' | 'gone' | 'failing'>(),
    failures: integer('failures').notNull().default(0),
    failingSince: instant('failing_since'),
    pausedUntil: instant('paused_until'),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const alertDelivery = cloud.table(
  'alert_delivery',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    alertId: uuid('alert_id').notNull(),
    subscriptionId: uuid('subscription_id').notNull(),
    event: text('event').$type<'raised' | 'retracted'>().notNull(),
    state: text('state').$type<'pending' | 'delivered' | 'failed' | 'cancelled'>().notNull(),
    attempts: integer('attempts').notNull().default(0),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    nextAttemptAt: instant('next_attempt_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const alertAttempt = cloud.table('alert_attempt', {
  tenantId: tenantId(),
  deliveryId: uuid('delivery_id').notNull(),
  at: instant('at').notNull(),
  statusCode: integer('status_code'),
  code: text('code'),
  durationMs: doublePrecision('duration_ms').notNull(),
});
