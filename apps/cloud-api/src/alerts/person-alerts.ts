import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import type { MergedPair } from '../people/merge-store.js';

/** Takes somebody out of their alerts, and what was still to be told of them out of the queue. Safe to repeat. */
export async function forgetAlertsOf(tx: Transaction, tenantId: TenantId, personId: PersonId): Promise<void> {
  await tx.execute(sql`
    UPDATE cloud.alert_delivery delivery SET state = 'cancelled', next_attempt_at = NULL FROM cloud.alert
    WHERE alert.tenant_id = ${tenantId} AND alert.person_id = ${personId} AND delivery.tenant_id = alert.tenant_id
      AND delivery.alert_id = alert.id AND delivery.state = 'pending'`);
  await tx.execute(sql`
    UPDATE cloud.alert SET person_id = NULL WHERE tenant_id = ${tenantId} AND person_id = ${personId}`);
}

/** Moves the alerts of somebody who was merged to the one who stays. */
export async function moveAlerts(tx: Transaction, { tenantId, mergeId, into, from }: MergedPair): Promise<void> {
  await tx.execute(sql`
    WITH moved AS (
      UPDATE cloud.alert SET person_id = ${into} WHERE tenant_id = ${tenantId} AND person_id = ${from} RETURNING id)
    INSERT INTO cloud.person_merge_alert (tenant_id, merge_id, alert_id)
    SELECT ${tenantId}::text, ${mergeId}::uuid, id FROM moved`);
}

/** Gives back what {@link moveAlerts} moved. */
export async function returnAlerts(tx: Transaction, { tenantId, mergeId, into, from }: MergedPair): Promise<void> {
  await tx.execute(sql`
    UPDATE cloud.alert SET person_id = ${from} FROM cloud.person_merge_alert moved
    WHERE moved.tenant_id = ${tenantId} AND moved.merge_id = ${mergeId} AND alert.tenant_id = moved.tenant_id
      AND alert.id = moved.alert_id AND alert.person_id = ${into}`);
}
