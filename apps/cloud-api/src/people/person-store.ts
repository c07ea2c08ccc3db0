import { isUniqueViolation, type Transaction } from '@sightline/database';
import { AppError, type PersonId, type TenantId } from '@sightline/kernel';
import { and, eq, sql } from 'drizzle-orm';

import { person } from '../storage/schema.js';
import { assureGroups } from './group-store.js';

export function personNotFound(): AppError {
  return new AppError('PERSON.NOT_FOUND', 'There is no person with this id.');
}

/** @throws AppError `PERSON.MERGED` for somebody who turned out to be another person */
export function assertNotMerged({ mergedInto }: { readonly mergedInto: PersonId | null }): void {
  if (mergedInto === null) return;
  throw new AppError('PERSON.MERGED', `The person was merged into ${mergedInto}.`, { details: { into: mergedInto } });
}

/**
 * Keeps a person from being erased or merged until the transaction ends (`key share`), or waits for everybody who
 * keeps them so (`update`).
 *
 * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`
 */
export async function lockPerson(
  tx: Transaction,
  { tenantId, personId }: { readonly tenantId: TenantId; readonly personId: PersonId },
  strength: 'key share' | 'update',
): Promise<void> {
  const [locked] = await tx
    .select({ mergedInto: person.mergedInto })
    .from(person)
    .where(and(eq(person.tenantId, tenantId), eq(person.id, personId)))
    .for(strength);
  if (locked === undefined) throw personNotFound();
  assertNotMerged(locked);
}

/**
 * Adds a person, whose groups are made where they are new.
 *
 * @throws AppError `PERSON.DUPLICATE_EXTERNAL_ID`
 */
export async function insertPerson(tx: Transaction, row: typeof person.$inferInsert): Promise<void> {
  await assureGroups(tx, row.tenantId, { slugs: row.groups ?? [], now: row.createdAt });
  await externalIdFree(() => tx.insert(person).values(row));
}

/** @throws AppError `PERSON.DUPLICATE_EXTERNAL_ID` in the place of the database's refusal */
export async function externalIdFree(store: () => PromiseLike<unknown>): Promise<void> {
  try {
    await store();
  } catch (error) {
    if (!isUniqueViolation(error, 'person_external_id_index')) throw error;
    throw new AppError('PERSON.DUPLICATE_EXTERNAL_ID', 'Another person has this external id.', { cause: error });
  }
}

/** Everybody who turned out to be this person, directly or through others: they are erased with them. */
export async function peopleMergedInto(
  tx: Transaction,
  tenantId: TenantId,
  personId: PersonId,
): Promise<readonly PersonId[]> {
  const { rows } = await tx.execute<{ readonly id: PersonId }>(sql`
    WITH RECURSIVE same AS (
      SELECT id FROM cloud.person WHERE tenant_id = ${tenantId} AND merged_into = ${personId}
      UNION
      SELECT other.id FROM cloud.person other JOIN same ON other.merged_into = same.id
      WHERE other.tenant_id = ${tenantId}
    )
    SELECT id FROM same ORDER BY id`);
  return rows.map(({ id }) => id);
}
