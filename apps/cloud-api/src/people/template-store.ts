import { inChunks, type Transaction } from '@sightline/database';
import { newTemplateId, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import { recordGalleryChanges } from '../identification/gallery-feed.js';
import type { PersonalData } from '../personal-data/personal-data.js';
import { template } from '../storage/schema.js';

/** A template to be kept, and whose it is. */
export interface NewTemplate {
  readonly tenantId: TenantId;
  readonly personId: PersonId;
  readonly template: Template;
  readonly createdAt: Date;
}

/** The columns of a template, sealed. */
export type SealedTemplate = typeof template.$inferInsert;

/**
 * Seals templates with their people's keys.
 *
 * @throws AppError `PERSON.NOT_FOUND` once a person's key was destroyed
 */
export async function sealNewTemplates(
  personalData: PersonalData,
  made: readonly NewTemplate[],
): Promise<readonly SealedTemplate[]> {
  return personalData.sealTemplates(
    made.map(({ template: { spaceId, variantDigest, ...stored }, ...owner }) => ({
      ...owner,
      ...stored,
      id: newTemplateId(),
      modelSpace: spaceId,
      variantDigest: new Uint8Array(Buffer.from(variantDigest, 'hex')),
    })),
  );
}

/**
 * Adds templates, last in the transaction that keeps their people from being erased.
 *
 * @returns the version from which on the gallery has them
 */
export async function insertTemplates(tx: Transaction, rows: readonly SealedTemplate[], now: Date): Promise<number> {
  await inChunks(rows, (chunk) => tx.insert(template).values(chunk).returning({ id: template.id }));
  const changes = rows.map(({ tenantId, id }) => ({
    tenantId,
    kind: 'upsert' as const,
    templateId: id satisfies TemplateId,
  }));
  return recordGalleryChanges(tx, changes, now);
}

/** Whether two templates are one and the same, byte by byte. */
export function isSameTemplate(one: Template, other: Template): boolean {
  return (
    one.spaceId === other.spaceId &&
    one.keyId === other.keyId &&
    one.codec === other.codec &&
    Buffer.from(one.data).equals(Buffer.from(other.data))
  );
}
