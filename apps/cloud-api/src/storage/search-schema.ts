import type { rest } from '@sightline/contracts';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';
import { doublePrecision, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0023-searches.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();

export const search = cloud.table(
  'search',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    actor: text('actor').notNull(),
    purpose: text('purpose').$type<rest.Search['purpose']>().notNull(),
    sealedReason: bytea('sealed_reason').notNull(),
    searchedWith: text('searched_with').$type<rest.Search['with']>().notNull(),
    state: text('state').$type<rest.Search['state']>().notNull(),
    facts: jsonb('facts').$type<rest.SearchFacts>(),
    searchedAt: instant('searched_at').notNull(),
    resultsUntil: instant('results_until').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const searchHit = cloud.table(
  'search_hit',
  {
    tenantId: tenantId(),
    searchId: uuid('search_id').notNull(),
    place: integer('place').notNull(),
    sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
    score: doublePrecision('score').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.searchId, table.place] })],
);

export const strangerClustering = cloud.table('stranger_clustering', {
  tenantId: text('tenant_id').$type<TenantId>().primaryKey(),
  sites: text('sites').array().notNull(),
  retentionDays: integer('retention_days').notNull(),
  minimumQuality: doublePrecision('minimum_quality').notNull(),
  falsePositiveRate: doublePrecision('false_positive_rate').notNull(),
  changedAt: instant('changed_at').notNull(),
});

export const stranger = cloud.table(
  'stranger',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    createdAt: instant('created_at').notNull(),
    personId: uuid('person_id').$type<PersonId>(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const strangerSighting = cloud.table(
  'stranger_sighting',
  {
    tenantId: tenantId(),
    sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
    strangerId: uuid('stranger_id').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.sightingId] })],
);
