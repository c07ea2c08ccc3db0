import type { Database } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { and, inArray } from 'drizzle-orm';

import { identityColumns, type PersonalData } from '../personal-data/personal-data.js';
import { person } from '../storage/schema.js';

/** Names by id, of people of these tenants; somebody who does not exist (any more) is left out. */
export async function readNames(
  { db }: Pick<Database, 'db'>,
  personalData: PersonalData,
  people: readonly { readonly tenantId: TenantId; readonly personId: PersonId }[],
): Promise<ReadonlyMap<PersonId, string>> {
  if (people.length === 0) return new Map();
  const tenants = [...new Set(people.map(({ tenantId }) => tenantId))];
  const ids = [...new Set(people.map(({ personId }) => personId))];
  const rows = await db
    .select(identityColumns)
    .from(person)
    .where(and(inArray(person.tenantId, tenants), inArray(person.id, ids)));
  const identities = await personalData.openIdentities(rows);
  return new Map([...identities].map(([id, { name }]) => [id, name]));
}
