import type { Database } from '@sightline/database';
import type { PersonId, Sha256, TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { and, eq } from 'drizzle-orm';

import { template } from '../storage/schema.js';

export type TemplateRow = typeof template.$inferSelect;

/** A person's templates, of whatever model space and key. */
export async function templatesOfPerson(
  { db }: Database,
  tenantId: TenantId,
  personId: PersonId,
): Promise<readonly Template[]> {
  const own = and(eq(template.tenantId, tenantId), eq(template.personId, personId));
  return (await db.select().from(template).where(own)).map(templateOf);
}

export function templateOf(row: TemplateRow): Template {
  const { keyId, codec, scale, dimension, data, quality } = row;
  const variantDigest = Buffer.from(row.variantDigest).toString('hex') as Sha256;
  return { spaceId: row.modelSpace, keyId, variantDigest, codec, scale, dimension, data, quality };
}
