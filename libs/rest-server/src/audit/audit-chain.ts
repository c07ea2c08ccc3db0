import { inChunks, type Database, type Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { eq } from 'drizzle-orm';

import { chained, emptyChain, type AuditEntry, type ChainedEntry, type ChainHead } from './audit-entry.js';
import type { AuditTables } from './audit-tables.js';

const headColumns = ({ head }: AuditTables) => ({ sequence: head.sequence, hash: head.hash });

/**
 * Puts entries at the end of a tenant's chain, within a transaction.
 *
 * Invariant: whoever appends holds the tenant's head until the transaction ends, so that a chain never forks and has no
 * gap. Changes of a tenant therefore follow one another from their entry to their commit: append last.
 *
 * @param at when; its fraction of a millisecond is cut off, which no timestamp keeps
 * @throws AppError `AUDIT.INVALID` for what is no id or word
 */
export async function appendToChain(
  tx: Transaction,
  tables: AuditTables,
  entries: readonly (AuditEntry & { readonly actor: string })[],
  at: Date,
): Promise<void> {
  const byTenant = new Map<TenantId, (typeof entries)[number][]>();
  for (const entry of entries) byTenant.set(entry.tenantId, [...(byTenant.get(entry.tenantId) ?? []), entry]);
  // One order for everybody, so that two groups never wait for each other.
  for (const tenantId of [...byTenant.keys()].sort()) {
    const rows: ChainedEntry[] = [];
    let head = await lockedHead(tx, tables, tenantId);
    for (const entry of byTenant.get(tenantId) ?? []) {
      const next = chained(head, entry, at);
      rows.push(next);
      head = next;
    }
    await inChunks(rows, (chunk) => tx.insert(tables.entry).values(chunk).returning({ at: tables.entry.at }));
    const { sequence, hash } = head;
    await tx.update(tables.head).set({ sequence, hash }).where(eq(tables.head.tenantId, tenantId));
  }
}

/** Where a tenant's chain ends now. */
export async function chainHead(
  { db }: Pick<Database, 'db'>,
  tables: AuditTables,
  tenantId: TenantId,
): Promise<ChainHead> {
  const [row] = await db.select(headColumns(tables)).from(tables.head).where(eq(tables.head.tenantId, tenantId));
  return row ?? emptyChain;
}

/** The end of a chain, which nobody else moves until the transaction ends. */
async function lockedHead(tx: Transaction, tables: AuditTables, tenantId: TenantId): Promise<ChainHead> {
  const [head] = await tx
    .insert(tables.head)
    .values({ tenantId, ...emptyChain })
    // An update that changes nothing: it locks the row that is there, and returns it.
    .onConflictDoUpdate({ target: tables.head.tenantId, set: { tenantId } })
    .returning(headColumns(tables));
  return head ?? emptyChain;
}
