import { inTransaction, type Database, type Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { edgeCacheFeed } from '../storage/edge-cache-schema.js';
import { planPeople } from './cache-plan.js';

/** Changes that one transaction plans: each may concern every box of a tenant. */
const CHANGES = 200;

/**
 * Plans the next changes of the gallery into the caches, exactly once: how far it came is kept in the same transaction.
 * Several processes may try: one does.
 *
 * @returns whether there may be more
 */
export async function followGallery(database: Database, now: Date): Promise<boolean> {
  return inTransaction(database, async (tx) => {
    const [feed] = await tx.select().from(edgeCacheFeed).for('update', { skipLocked: true });
    if (feed === undefined) return false;
    const { rows } = await readChanges(tx, feed.version);
    const last = rows.at(-1);
    if (last === undefined) return false;
    for (const [tenantId, personIds] of changedPeople(rows)) await planPeople(tx, tenantId, personIds, now);
    await tx.update(edgeCacheFeed).set({ version: Number(last.version) });
    return rows.length === CHANGES;
  });
}

type Change = Readonly<Record<'version', string>> & {
  readonly tenantId: TenantId;
  /** Null when the template is gone: whoever removed it has told the caches, or a later plan does. */
  readonly personId: PersonId | null;
};

function readChanges(tx: Transaction, after: number) {
  return tx.execute<Change>(sql`
    SELECT change.version, change.tenant_id AS "tenantId", coalesce(change.person_id, template.person_id) AS "personId"
    FROM cloud.gallery_change change
    LEFT JOIN cloud.template template ON template.tenant_id = change.tenant_id AND template.id = change.template_id
    WHERE change.version > ${after} ORDER BY change.version LIMIT ${CHANGES}`);
}

/** By tenant, in one order: locks are taken in it. */
function changedPeople(changes: readonly Change[]): readonly (readonly [TenantId, readonly PersonId[]])[] {
  const byTenant = new Map<TenantId, Set<PersonId>>();
  for (const { tenantId, personId } of changes) {
    if (personId === null) continue;
    byTenant.set(tenantId, (byTenant.get(tenantId) ?? new Set<PersonId>()).add(personId));
  }
  return [...byTenant].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tenantId, ids]) => [tenantId, [...ids].sort()]);
}
