import { type Database, inTransaction, type Transaction } from '@sightline/database';
import type { GalleryEntry } from '@sightline/gallery';
import type { PersonId, TemplateId, TenantId } from '@sightline/kernel';
import { and, asc, eq, gt, ne, sql } from 'drizzle-orm';

import { galleryChange, galleryVersion, template } from '../storage/schema.js';
import { templateOf, type TemplateRow } from './stored-templates.js';

export interface GalleryChange {
  readonly version: number;
  readonly kind: 'upsert' | 'remove';
  readonly templateId: TemplateId;
  /** Absent when it is gone already: then a later change removes it. */
  readonly entry?: GalleryEntry | undefined;
}

export type NewGalleryChange = { readonly tenantId: TenantId } & (
  | { readonly kind: 'upsert' | 'remove'; readonly templateId: TemplateId }
  | { readonly kind: 'person'; readonly personId: PersonId }
);

/**
 * Writes changes to the feed, in the transaction that changes the templates. Call it late: until that commits, every
 * other change of the gallery waits, which is what makes versions visible in their order.
 *
 * @returns the version of the last change
 */
export async function recordGalleryChanges(
  tx: Transaction,
  changes: readonly NewGalleryChange[],
  createdAt: Date,
): Promise<number> {
  const [counter] = await tx
    .update(galleryVersion)
    .set({ version: sql`${galleryVersion.version} + ${changes.length}` })
    .returning({ version: galleryVersion.version });
  const last = counter?.version ?? 0;
  if (changes.length > 0) {
    const first = last - changes.length + 1;
    await tx
      .insert(galleryChange)
      .values(changes.map((change, index) => ({ ...change, version: first + index, createdAt })));
    await tx.execute(sql`SELECT pg_notify('cloud_gallery', ${String(last)})`);
  }
  return last;
}

/** The changes of templates after a version, oldest first. */
export async function readGalleryChanges(
  { db }: Database,
  after: number,
  limit: number,
): Promise<readonly GalleryChange[]> {
  const rows = await db
    .select({ change: galleryChange, template })
    .from(galleryChange)
    .leftJoin(template, and(eq(template.tenantId, galleryChange.tenantId), eq(template.id, galleryChange.templateId)))
    .where(and(gt(galleryChange.version, after), ne(galleryChange.kind, 'person')))
    .orderBy(asc(galleryChange.version))
    .limit(limit);
  return rows.flatMap(({ change: { version, kind, templateId }, template: row }) =>
    kind === 'person' || templateId === null
      ? []
      : [{ version, kind, templateId, entry: row === null ? undefined : entryOf(row) }],
  );
}

/**
 * Reads every template, page by page.
 *
 * @returns the version that the pages stand for
 */
export async function readWholeGallery(
  database: Database,
  onPage: (entries: readonly GalleryEntry[]) => Promise<void>,
  pageSize: number,
): Promise<number> {
  return inTransaction(
    database,
    async (tx) => {
      const [counter] = await tx.select().from(galleryVersion);
      let after: TemplateRow | undefined;
      do {
        const rows: TemplateRow[] = await tx
          .select()
          .from(template)
          .where(after && sql`(${template.tenantId}, ${template.id}) > (${after.tenantId}, ${after.id})`)
          .orderBy(asc(template.tenantId), asc(template.id))
          .limit(pageSize);
        if (rows.length > 0) await onPage(rows.map(entryOf));
        after = rows.length < pageSize ? undefined : rows.at(-1);
      } while (after !== undefined);
      return counter?.version ?? 0;
    },
    // One snapshot, so that the version and the pages belong together.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}

function entryOf(row: TemplateRow): GalleryEntry {
  return { templateId: row.id, personId: row.personId, template: templateOf(row) };
}
