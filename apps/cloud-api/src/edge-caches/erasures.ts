import { randomUUID } from 'node:crypto';

import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { erasure } from '../storage/edge-cache-schema.js';

/**
 * Notes that a person is erased, and every box that may hold them: each gets a tombstone, and is outstanding until its
 * receipt. In the transaction that deletes the person, whose row is locked already: nobody can be planned into a
 * cache meanwhile.
 *
 * @returns the erasure's id: random, so that it says nothing of whom it was about
 */
export async function recordErasure(
  tx: Transaction,
  {
    tenantId,
    personId,
    erasedAt,
    partOf,
  }: {
    readonly tenantId: TenantId;
    readonly personId: PersonId;
    readonly erasedAt: Date;
    readonly partOf?: string | undefined;
  },
): Promise<string> {
  const id = randomUUID();
  await tx.insert(erasure).values({ tenantId, id, personId, erasedAt, partOf });
  const { rowCount } = await tx.execute(sql`
    WITH gone AS (
      DELETE FROM cloud.edge_cache_person WHERE tenant_id = ${tenantId} AND person_id = ${personId}
      RETURNING device_id, held
    )
    INSERT INTO cloud.edge_cache_erasure (tenant_id, device_id, erasure_id)
    SELECT ${tenantId}, device_id, ${id}::uuid FROM gone WHERE held`);
  if ((rowCount ?? 0) > 0) await notifyEdgeCaches(tx);
  return id;
}

/** Wakes every publisher once the transaction has committed. */
export async function notifyEdgeCaches(tx: Transaction): Promise<void> {
  await tx.execute(sql`SELECT pg_notify('cloud_edge_cache', '')`);
}
