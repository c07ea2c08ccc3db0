import type { rest } from '@sightline/contracts';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';
import { doublePrecision, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { cloud, instant } from './columns.js';

// The typed view of migrations/0021-drift.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export const retrainingPolicy = cloud.table('retraining_policy', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  policy: jsonb('policy').$type<rest.CheckedRetraining>().notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const labelledSet = cloud.table(
  'labelled_set',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    version: integer('version').notNull(),
    purpose: text('purpose').notNull(),
    sites: text('sites').array().notNull(),
    seenFrom: instant('seen_from').notNull(),
    seenUntil: instant('seen_until').notNull(),
    createdAt: instant('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    expiresAt: instant('expires_at').notNull(),
    members: integer('members').notNull(),
    erased: integer('erased').notNull().default(0),
    approvedAt: instant('approved_at'),
    approvedBy: text('approved_by'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const labelledSetMember = cloud.table(
  'labelled_set_member',
  {
    tenantId: tenantId(),
    setId: uuid('set_id').notNull(),
    sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
    revision: integer('revision').notNull(),
    label: text('label').$type<rest.LabelledMember['label']>().notNull(),
    personId: uuid('person_id').$type<PersonId>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.setId, table.sightingId] })],
);

export const siteEvaluation = cloud.table(
  'site_evaluation',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    setId: uuid('set_id').notNull(),
    siteId: text('site_id').notNull(),
    cause: text('cause').$type<rest.SiteEvaluation['cause']>().notNull(),
    state: text('state').$type<rest.SiteEvaluation['state']>().notNull(),
    failureCode: text('failure_code'),
    createdAt: instant('created_at').notNull(),
    finishedAt: instant('finished_at'),
    figures: jsonb('figures').$type<rest.EvaluationFigures>(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const retrainingProposal = cloud.table(
  'retraining_proposal',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    evaluationId: uuid('evaluation_id').notNull(),
    siteId: text('site_id').notNull(),
    kind: text('kind').$type<rest.ProposalKind>().notNull(),
    state: text('state').$type<rest.ProposalState>().notNull(),
    variantDigest: text('variant_digest').notNull(),
    offsetBefore: doublePrecision('offset_before'),
    offsetAfter: doublePrecision('offset_after'),
    createdAt: instant('created_at').notNull(),
    decidedAt: instant('decided_at'),
    decidedBy: text('decided_by'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);
