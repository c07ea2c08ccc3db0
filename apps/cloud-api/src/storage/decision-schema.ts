import type { PersonId, SightingId, TemplateId, TenantId } from '@sightline/kernel';
import { integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import type { StoredPolicy } from '../identification/decision-policy.js';
import { cloud, instant, sealedTemplateColumns } from './columns.js';

// The typed view of migrations/0014-decisions.sql.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const personId = (name: string) => uuid(name).$type<PersonId>();
const revisionColumns = () => ({
  sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
  revision: integer('revision').notNull(),
});

export const decisionPolicy = cloud.table('decision_policy', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  version: integer('version').notNull(),
  policy: jsonb('policy').$type<StoredPolicy>().notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const keptProbe = cloud.table(
  'kept_probe',
  {
    tenantId: tenantId(),
    ...revisionColumns(),
    personId: personId('person_id'),
    secondPersonId: personId('second_person_id'),
    templateId: uuid('template_id').$type<TemplateId>().notNull(),
    ...sealedTemplateColumns(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.sightingId] })],
);

export const identificationReview = cloud.table(
  'identification_review',
  {
    tenantId: tenantId(),
    ...revisionColumns(),
    verdict: text('verdict').$type<'confirmed' | 'not-this-person' | 'is-person'>().notNull(),
    personId: personId('person_id'),
    actor: text('actor').notNull(),
    reviewedAt: instant('reviewed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.sightingId, table.revision] })],
);

export const hardNegative = cloud.table(
  'hard_negative',
  {
    tenantId: tenantId(),
    id: uuid('id').$type<TemplateId>().notNull(),
    personId: personId('person_id').notNull(),
    actualPersonId: personId('actual_person_id'),
    ...revisionColumns(),
    ...sealedTemplateColumns(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);
