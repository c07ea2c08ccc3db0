import type { PersonId, TemplateId, TenantId } from '@sightline/kernel';
import { doublePrecision, integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0015-people.sql, which is the truth.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const personId = (name: string) => uuid(name).$type<PersonId>();

export const personGroup = cloud.table(
  'person_group',
  {
    tenantId: tenantId(),
    slug: text('slug').notNull(),
    name: text('name').notNull(),
    kind: text('kind').$type<'group' | 'watch-list'>().notNull(),
    description: text('description').notNull().default(''),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.slug] })],
);

export const personMerge = cloud.table(
  'person_merge',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    intoPersonId: personId('into_person_id').notNull(),
    fromPersonId: personId('from_person_id').notNull(),
    addedSites: text('added_sites').array().notNull(),
    addedGroups: text('added_groups').array().notNull(),
    narrowedSites: text('narrowed_sites').array(),
    templates: integer('templates').notNull(),
    sightings: integer('sightings').notNull(),
    mergedAt: instant('merged_at').notNull(),
    undoneAt: instant('undone_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const personMergeTemplate = cloud.table(
  'person_merge_template',
  {
    tenantId: tenantId(),
    mergeId: uuid('merge_id').notNull(),
    templateId: uuid('template_id').$type<TemplateId>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.mergeId, table.templateId] })],
);

export const duplicatePair = cloud.table(
  'duplicate_pair',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    personId: personId('person_id').notNull(),
    otherPersonId: personId('other_person_id').notNull(),
    score: doublePrecision('score').notNull(),
    threshold: doublePrecision('threshold').notNull(),
    falseMatchRate: doublePrecision('false_match_rate').notNull(),
    foundAt: instant('found_at').notNull(),
    seenAt: instant('seen_at').notNull(),
    dismissedAt: instant('dismissed_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const duplicateSearch = cloud.table('duplicate_search', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  state: text('state').$type<'running' | 'done'>().notNull(),
  afterTemplateId: uuid('after_template_id').$type<TemplateId>(),
  templates: integer('templates').notNull(),
  startedAt: instant('started_at').notNull(),
  finishedAt: instant('finished_at'),
});

export const enrolment = cloud.table(
  'enrolment',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    state: text('state').$type<'waiting' | 'running' | 'done' | 'cancelled' | 'failed'>().notNull(),
    existing: text('existing').$type<'refuse' | 'add'>().notNull(),
    rows: integer('rows').notNull(),
    wrappedKey: bytea('wrapped_key'),
    failureCode: text('failure_code'),
    createdAt: instant('created_at').notNull(),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const enrolmentRow = cloud.table(
  'enrolment_row',
  {
    tenantId: tenantId(),
    enrolmentId: uuid('enrolment_id').notNull(),
    row: integer('row').notNull(),
    code: text('code'),
    personId: personId('person_id'),
    templateId: uuid('template_id').$type<TemplateId>(),
    photoMac: bytea('photo_mac'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.enrolmentId, table.row] })],
);

export const personOrigin = cloud.table(
  'person_origin',
  {
    tenantId: tenantId(),
    originId: uuid('origin_id').notNull(),
    personId: personId('person_id').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.originId] })],
);
