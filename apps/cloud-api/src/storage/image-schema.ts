import type { rest } from '@sightline/contracts';
import type { DeviceId, PersonId, SightingId, TenantId } from '@sightline/kernel';
import { boolean, doublePrecision, integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0024-sealed-images.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export const imageKey = cloud.table(
  'image_key',
  {
    tenantId: tenantId(),
    keyId: text('key_id').notNull(),
    publicKey: bytea('public_key').notNull(),
    wrappedPrivateKey: bytea('wrapped_private_key'),
    isExternal: boolean('is_external').notNull(),
    createdAt: instant('created_at').notNull(),
    supersededAt: instant('superseded_at'),
    retiredAt: instant('retired_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.keyId] })],
);

export const imageSite = cloud.table(
  'image_site',
  {
    tenantId: tenantId(),
    siteId: text('site_id').notNull(),
    enabled: boolean('enabled').notNull(),
    outcomes: text('outcomes').array().$type<rest.ImageOutcome[]>().notNull(),
    purpose: text('purpose').$type<rest.Purpose>(),
    minimumQuality: doublePrecision('minimum_quality').notNull(),
    sampleRate: doublePrecision('sample_rate').notNull(),
    maximumBytesPerDay: integer('maximum_bytes_per_day').notNull(),
    changedAt: instant('changed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.siteId] })],
);

export const sealedImage = cloud.table(
  'sealed_image',
  {
    tenantId: tenantId(),
    digest: bytea('digest').notNull(),
    deviceId: text('device_id').$type<DeviceId>().notNull(),
    siteId: text('site_id').notNull(),
    sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
    outcome: text('outcome').$type<rest.ImageOutcome>().notNull(),
    personId: uuid('person_id').$type<PersonId>(),
    secondPersonId: uuid('second_person_id').$type<PersonId>(),
    seenAt: instant('seen_at').notNull(),
    notedAt: instant('noted_at').notNull(),
    acceptedAt: instant('accepted_at'),
    length: integer('length'),
    storedAt: instant('stored_at'),
    keyId: text('key_id'),
    sealedTail: bytea('sealed_tail'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.digest] })],
);

export const removedImage = cloud.table(
  'removed_image',
  {
    tenantId: tenantId(),
    digest: bytea('digest').notNull(),
    requestedAt: instant('requested_at').notNull(),
    removedAt: instant('removed_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.digest] })],
);
