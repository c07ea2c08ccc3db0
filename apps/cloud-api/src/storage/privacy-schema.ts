import type { rest } from '@sightline/contracts';
import type { PersonId, TenantId } from '@sightline/kernel';
import { integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0016-consent-retention.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export const consent = cloud.table(
  'consent',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    personId: uuid('person_id').$type<PersonId>().notNull(),
    purpose: text('purpose').$type<rest.Purpose>().notNull(),
    legalBasis: text('legal_basis').$type<rest.LegalBasis>().notNull(),
    givenAt: instant('given_at').notNull(),
    expiresAt: instant('expires_at'),
    withdrawnAt: instant('withdrawn_at'),
    sealedEvidence: bytea('sealed_evidence'),
    recordedAt: instant('recorded_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const consentPolicy = cloud.table('consent_policy', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  required: text('required').array().$type<rest.Purpose[]>().notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const retention = cloud.table(
  'retention',
  {
    tenantId: tenantId(),
    kind: text('kind').notNull(),
    days: integer('days'),
    changedAt: instant('changed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.kind] })],
);

export const erasureGallery = cloud.table(
  'erasure_gallery',
  {
    tenantId: tenantId(),
    erasureId: uuid('erasure_id').notNull(),
    galleryId: text('gallery_id').notNull(),
    kind: text('kind').notNull(),
    outcome: text('outcome').$type<'passed' | 'gone'>(),
    confirmedAt: instant('confirmed_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.erasureId, table.galleryId] })],
);
