import type { Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { forgetAlertsOf } from '../alerts/person-alerts.js';

/**
 * Takes somebody out of everything that decisions have left: explanations, alerts, kept probes, images, hard negatives
 * (their own, and those of others that show them), reviews, labelled sets. In the transaction that deletes the person, or
 * before; the deletion itself reaches all but the explanations. Safe to repeat.
 */
export async function forgetPerson(tx: Transaction, tenantId: TenantId, personId: PersonId): Promise<void> {
  const isPerson = sql`tenant_id = ${tenantId} AND person_id = ${personId}`;
  // Also those that another revision, or a review, says are theirs.
  await tx.execute(sql`
    DELETE FROM cloud.sealed_image WHERE tenant_id = ${tenantId} AND (person_id = ${personId}
      OR second_person_id = ${personId}
      OR sighting_id IN (SELECT sighting_id FROM cloud.identification WHERE ${isPerson})
      OR sighting_id IN (SELECT sighting_id FROM cloud.identification_review WHERE ${isPerson}))`);
  await tx.execute(sql`
    UPDATE cloud.identification SET
      candidates = (
        SELECT jsonb_agg(candidate ORDER BY place)
        FROM jsonb_array_elements(candidates) WITH ORDINALITY AS near (candidate, place)
        WHERE candidate ->> 'p' <> ${personId}
      ),
      candidate_ids = NULLIF(array_remove(candidate_ids, ${personId}::uuid), '{}')
    WHERE candidate_ids @> ARRAY[${personId}::uuid] AND tenant_id = ${tenantId}`);
  await tx.execute(sql`UPDATE cloud.identification SET person_id = NULL WHERE ${isPerson}`);
  await tx.execute(sql`
    UPDATE cloud.identification SET local_person_id = NULL
    WHERE tenant_id = ${tenantId} AND local_person_id = ${personId}`);
  // Probes that were sealed for somebody else, or for nobody, and show them all the same.
  await tx.execute(sql`
    DELETE FROM cloud.kept_probe probe USING cloud.identification_review review
    WHERE review.tenant_id = ${tenantId} AND review.person_id = ${personId} AND review.verdict = 'is-person'
      AND probe.tenant_id = review.tenant_id AND probe.sighting_id = review.sighting_id`);
  // Of a stranger who is just being enrolled as this person.
  await tx.execute(sql`
    DELETE FROM cloud.kept_probe probe USING cloud.stranger_sighting own, cloud.stranger one
    WHERE one.tenant_id = ${tenantId} AND one.person_id = ${personId} AND own.tenant_id = one.tenant_id
      AND own.stranger_id = one.id AND probe.tenant_id = own.tenant_id AND probe.sighting_id = own.sighting_id`);
  await tx.execute(sql`
    WITH gone AS (DELETE FROM cloud.labelled_set_member WHERE ${isPerson} RETURNING tenant_id, set_id)
    UPDATE cloud.labelled_set own SET erased = erased + counted.members
    FROM (SELECT tenant_id, set_id, count(*)::int AS members FROM gone GROUP BY 1, 2) AS counted
    WHERE own.tenant_id = counted.tenant_id AND own.id = counted.set_id`);
  await forgetAlertsOf(tx, tenantId, personId);
  await tx.execute(sql`UPDATE cloud.identification_review SET person_id = NULL WHERE ${isPerson}`);
  await tx.execute(sql`
    DELETE FROM cloud.kept_probe
    WHERE tenant_id = ${tenantId} AND (person_id = ${personId} OR second_person_id = ${personId})`);
  await tx.execute(sql`
    DELETE FROM cloud.hard_negative
    WHERE tenant_id = ${tenantId} AND (person_id = ${personId} OR actual_person_id = ${personId})`);
}
