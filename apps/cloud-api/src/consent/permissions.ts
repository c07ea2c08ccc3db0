import type { rest } from '@sightline/contracts';
import type { Database, Transaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { and, eq, inArray } from 'drizzle-orm';

import { recordGalleryChanges, type NewGalleryChange } from '../identification/gallery-feed.js';
import { consent, consentPolicy } from '../storage/privacy-schema.js';
import { person, template } from '../storage/schema.js';
import { permissionOf } from './purposes.js';

/** Purposes for which a tenant requires a record: none, until it says so. */
export async function readPolicy(
  db: Transaction | Database['db'],
  tenantId: TenantId,
): Promise<readonly rest.Purpose[]> {
  const [row] = await db
    .select({ required: consentPolicy.required })
    .from(consentPolicy)
    .where(eq(consentPolicy.tenantId, tenantId));
  return row?.required ?? [];
}

/**
 * Writes down what people may be matched for now, and when that changes by itself. Whoever may be matched for nothing
 * any more leaves the galleries; boxes hear of everybody whose purposes changed. The people's rows are locked.
 */
export async function applyPermission(
  tx: Transaction,
  {
    tenantId,
    personIds,
    now,
  }: { readonly tenantId: TenantId; readonly personIds: readonly PersonId[]; readonly now: Date },
): Promise<void> {
  const required = await readPolicy(tx, tenantId);
  const own = and(eq(person.tenantId, tenantId), inArray(person.id, [...personIds]));
  const people = await tx.select({ id: person.id, purposes: person.purposes }).from(person).where(own);
  const records = await tx
    .select()
    .from(consent)
    .where(and(eq(consent.tenantId, tenantId), inArray(consent.personId, [...personIds])));
  const changes: NewGalleryChange[] = [];
  for (const { id, purposes: before } of people) {
    const ownRecords = records.filter(({ personId }) => personId === id);
    const { permitted, changesAt } = permissionOf(ownRecords, required, now);
    await tx
      .update(person)
      .set({ purposes: [...permitted], purposesChangeAt: changesAt })
      .where(and(eq(person.tenantId, tenantId), eq(person.id, id)));
    if (permitted.join() === before.join()) continue;
    changes.push({ tenantId, kind: 'person', personId: id });
    // A gallery does not know purposes: it knows whom it may find at all.
    if ((permitted.length === 0) !== (before.length === 0)) {
      changes.push(
        ...(await ofTemplates(tx, { tenantId, personId: id }, permitted.length === 0 ? 'remove' : 'upsert')),
      );
    }
  }
  if (changes.length > 0) await recordGalleryChanges(tx, changes, now);
}

async function ofTemplates(
  tx: Transaction,
  { tenantId, personId }: { readonly tenantId: TenantId; readonly personId: PersonId },
  kind: 'remove' | 'upsert',
): Promise<readonly NewGalleryChange[]> {
  const rows = await tx
    .select({ templateId: template.id })
    .from(template)
    .where(and(eq(template.tenantId, tenantId), eq(template.personId, personId)));
  return rows.map(({ templateId }) => ({ tenantId, kind, templateId }));
}
