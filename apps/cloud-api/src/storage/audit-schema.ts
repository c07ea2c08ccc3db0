import type { TenantId } from '@sightline/kernel';
import { bigint, primaryKey, text } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0011-audit.sql, where it says what the columns mean.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const sequence = () => bigint('sequence', { mode: 'number' }).notNull();

export const auditEntry = cloud.table(
  'audit_entry',
  {
    tenantId: tenantId(),
    sequence: sequence(),
    at: instant('at').notNull(),
    actor: text('actor').notNull(),
    action: text('action').notNull(),
    subjectKind: text('subject_kind'),
    subjectId: text('subject_id'),
    purpose: text('purpose'),
    outcome: text('outcome').notNull(),
    previousHash: bytea('previous_hash').notNull(),
    hash: bytea('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.sequence] })],
);

export const auditHead = cloud.table('audit_head', {
  tenantId: tenantId().primaryKey(),
  sequence: sequence(),
  hash: bytea('hash').notNull(),
});
