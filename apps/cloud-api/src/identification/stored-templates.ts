import type { Database } from '@sightline/database';
import type { PersonId, Sha256, TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { and, eq } from 'drizzle-orm';

import type { PersonalData } from '../personal-data/personal-data.js';
import { template } from '../storage/schema.js';

export type TemplateRow = typeof template.$inferSelect;

/** A person's templates, of whatever model space and key. */
export async function templatesOfPerson(
  { db }: Database,
  personalData: PersonalData,
  { tenantId, personId }: { readonly tenantId: TenantId; readonly personId: PersonId },
): Promise<readonly Template[]> {
  const own = and(eq(template.tenantId, tenantId), eq(template.personId, personId));
  const opened = await openTemplates(personalData, await db.select().from(template).where(own));
  return opened.filter((found) => found !== undefined);
}

/** Templates in the order of their rows; undefined where the person's key was destroyed. */
export async function openTemplates(
  personalData: PersonalData,
  rows: readonly TemplateRow[],
): Promise<readonly (Template | undefined)[]> {
  return (await personalData.openTemplates(rows)).map((row) => row && templateOf(row));
}

function templateOf(row: Omit<TemplateRow, 'sealed'> & Pick<Template, 'data'>): Template {
  const { keyId, codec, scale, dimension, data, quality } = row;
  const variantDigest = Buffer.from(row.variantDigest).toString('hex') as Sha256;
  return { spaceId: row.modelSpace, keyId, variantDigest, codec, scale, dimension, data, quality };
}
