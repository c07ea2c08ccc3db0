import { bytea, instant } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { bigint, pgSchema, primaryKey, text } from 'drizzle-orm/pg-core';

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const sequence = () => bigint('sequence', { mode: 'number' }).notNull();

/**
 * The typed view of the tables `audit_entry` and `audit_head` of a program's schema, whose migration makes them and says
 * what the columns mean.
 */
export function auditTables(schema: string) {
  const owned = pgSchema(schema);
  const entry = owned.table(
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
  const head = owned.table('audit_head', {
    tenantId: tenantId().primaryKey(),
    sequence: sequence(),
    hash: bytea('hash').notNull(),
  });
  return { entry, head };
}

export type AuditTables = ReturnType<typeof auditTables>;
