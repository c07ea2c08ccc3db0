import type { DeviceId, KeyId, PersonId, SpaceId, TenantId } from '@sightline/kernel';
import { bigint, boolean, integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0007-edge-caches.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const deviceId = () => text('device_id').$type<DeviceId>().notNull();
const personId = () => uuid('person_id').$type<PersonId>().notNull();
const version = (name: string) => bigint(name, { mode: 'number' });

export const personAtSite = cloud.table(
  'person_at_site',
  {
    tenantId: tenantId(),
    siteId: text('site_id').notNull(),
    personId: personId(),
    lastSeenAt: instant('last_seen_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.siteId, table.personId] })],
);

export const gallerySigningKey = cloud.table('gallery_signing_key', {
  keyId: text('key_id').primaryKey(),
  publicKey: bytea('public_key').notNull(),
  wrappedPrivateKey: bytea('wrapped_private_key').notNull(),
  createdAt: instant('created_at').notNull(),
  retiredAt: instant('retired_at'),
});

export const edgeCacheFeed = cloud.table('edge_cache_feed', {
  singleton: boolean('singleton').primaryKey(),
  version: version('version').notNull(),
});

export const edgeCache = cloud.table(
  'edge_cache',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    cacheId: uuid('cache_id').notNull(),
    modelSpace: text('model_space').$type<SpaceId>().notNull(),
    keyId: text('key_id').$type<KeyId>().notNull(),
    maximumTemplates: integer('maximum_templates').notNull(),
    fullAtTemplates: integer('full_at_templates'),
    plannedTemplates: integer('planned_templates').notNull().default(0),
    plannedAt: instant('planned_at'),
    sentVersion: version('sent_version').notNull().default(0),
    confirmedVersion: version('confirmed_version').notNull().default(0),
    sentAt: instant('sent_at'),
    resendAt: instant('resend_at'),
    attempts: integer('attempts').notNull().default(0),
    correlationId: text('correlation_id').notNull().default(''),
    leaseIssuedAt: instant('lease_issued_at'),
    leaseExpiresAt: instant('lease_expires_at'),
    leaseDue: boolean('lease_due').notNull().default(true),
    lastReceiptAt: instant('last_receipt_at'),
    lastError: text('last_error'),
    lastErrorAt: instant('last_error_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId] })],
);

export const edgeCachePerson = cloud.table(
  'edge_cache_person',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    personId: personId(),
    wanted: boolean('wanted').notNull(),
    version: version('version'),
    held: boolean('held').notNull(),
    templates: integer('templates').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId, table.personId] })],
);

// Continued by migrations/0016-consent-retention.sql.
export const erasure = cloud.table(
  'erasure',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    /** Null once the erasure is complete. */
    personId: uuid('person_id').$type<PersonId>(),
    erasedAt: instant('erased_at').notNull(),
    partOf: uuid('part_of'),
    feedFirst: version('feed_first'),
    feedLast: version('feed_last'),
    keyDestroyedAt: instant('key_destroyed_at'),
    completedAt: instant('completed_at'),
    proof: text('proof'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const edgeCacheErasure = cloud.table(
  'edge_cache_erasure',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    erasureId: uuid('erasure_id').notNull(),
    version: version('version'),
    sentAt: instant('sent_at'),
    confirmedAt: instant('confirmed_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId, table.erasureId] })],
);
