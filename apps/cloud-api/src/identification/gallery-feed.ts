import { type Database, inTransaction, type Transaction } from '@sightline/database';
import type { GalleryEntry, PersonAttributes } from '@sightline/gallery';
import type { PersonId, TemplateId, TenantId } from '@sightline/kernel';
import { and, asc, count, eq, gt, lte, sql } from 'drizzle-orm';

import type { PersonalData } from '../personal-data/personal-data.js';
import { galleryChange, galleryVersion, person, template } from '../storage/schema.js';
import { openTemplates, type TemplateRow } from './stored-templates.js';

export interface GalleryChange {
  readonly version: number;
  readonly kind: 'upsert' | 'remove';
  readonly templateId: TemplateId;
  /** As it is now. Absent when it is gone already: then a later change removes it. */
  readonly entry?: GalleryEntry | undefined;
}

export type NewGalleryChange = { readonly tenantId: TenantId } & (
  | { readonly kind: 'upsert' | 'remove'; readonly templateId: TemplateId }
  | { readonly kind: 'person'; readonly personId: PersonId }
);

const personAttributes = { sites: person.sites, groups: person.groups };
// Whoever may be matched for nothing is in no gallery.
const ownerOfTemplate = and(
  eq(person.tenantId, template.tenantId),
  eq(person.id, template.personId),
  sql`cardinality(${person.purposes}) > 0`,
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

/** A piece of the feed. */
export interface GalleryChanges {
  /** In the order of their versions; a change of a person's sites or groups stands here for each of their templates. */
  readonly changes: readonly GalleryChange[];
  /** The last version that they stand for. */
  readonly through: number;
  /** Whether there may be more. */
  readonly more: boolean;
}

/** The next `limit` changes of the feed after a version, oldest first. */
export async function readGalleryChanges(
  { db }: Database,
  personalData: PersonalData,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<GalleryChanges> {
  const rows = await db
    .select({ change: galleryChange, template, person: personAttributes })
    .from(galleryChange)
    .leftJoin(template, and(eq(template.tenantId, galleryChange.tenantId), eq(template.id, galleryChange.templateId)))
    .leftJoin(person, ownerOfTemplate)
    .where(gt(galleryChange.version, after))
    .orderBy(asc(galleryChange.version))
    .limit(limit);
  const through = rows.at(-1)?.change.version ?? after;
  const ofPeople = rows.some(({ change }) => change.kind === 'person')
    ? await templatesOfChangedPeople(db, personalData, { after, through })
    : [];
  const present = rows.flatMap(({ template: row, person: attributes }) =>
    row && attributes ? [{ template: row, person: attributes }] : [],
  );
  const entries = await entriesOf(personalData, present);
  const ofTemplates = rows.flatMap(({ change: { version, kind, templateId } }) =>
    kind === 'person' || templateId === null ? [] : [{ version, kind, templateId, entry: entries.get(templateId) }],
  );
  const changes = [...ofTemplates, ...ofPeople].sort((one, other) => one.version - other.version);
  return { changes, through, more: rows.length === limit };
}

async function templatesOfChangedPeople(
  db: Database['db'],
  personalData: PersonalData,
  { after, through }: { readonly after: number; readonly through: number },
): Promise<readonly GalleryChange[]> {
  const rows = await db
    .select({ version: galleryChange.version, template, person: personAttributes })
    .from(galleryChange)
    .innerJoin(
      template,
      and(eq(template.tenantId, galleryChange.tenantId), eq(template.personId, galleryChange.personId)),
    )
    .innerJoin(person, ownerOfTemplate)
    .where(
      and(gt(galleryChange.version, after), lte(galleryChange.version, through), eq(galleryChange.kind, 'person')),
    );
  const entries = await entriesOf(personalData, rows);
  return rows.map(({ version, template: { id } }) => ({
    version,
    kind: 'upsert',
    templateId: id,
    entry: entries.get(id),
  }));
}

/**
 * Reads every template, page by page.
 *
 * @returns the version that the pages stand for
 */
export async function readWholeGallery(
  database: Database,
  personalData: PersonalData,
  {
    onPage,
    pageSize,
  }: { readonly onPage: (entries: readonly GalleryEntry[]) => Promise<void>; readonly pageSize: number },
): Promise<number> {
  return inTransaction(
    database,
    async (tx) => {
      const [counter] = await tx.select().from(galleryVersion);
      let after: TemplateRow | undefined;
      do {
        const rows: EntryRow[] = await tx
          .select({ template, person: personAttributes })
          .from(template)
          .innerJoin(person, ownerOfTemplate)
          .where(after && sql`(${template.tenantId}, ${template.id}) > (${after.tenantId}, ${after.id})`)
          .orderBy(asc(template.tenantId), asc(template.id))
          .limit(pageSize);
        const entries = await entriesOf(personalData, rows);
        if (entries.size > 0) await onPage([...entries.values()]);
        after = rows.length < pageSize ? undefined : rows.at(-1)?.template;
      } while (after !== undefined);
      return counter?.version ?? 0;
    },
    // One snapshot, so that the version and the pages belong together.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}

/** How many templates of which dimension {@link readWholeGallery} reads, by partition. */
export async function countGallery({
  db,
}: Database): Promise<readonly { readonly templates: number; readonly dimension: number }[]> {
  return db
    .select({ templates: count(), dimension: template.dimension })
    .from(template)
    .innerJoin(person, ownerOfTemplate)
    .groupBy(template.modelSpace, template.keyId, template.dimension);
}

interface EntryRow {
  readonly template: TemplateRow;
  readonly person: PersonAttributes;
}

/** By template; without those of people whose key was destroyed. */
async function entriesOf(
  personalData: PersonalData,
  rows: readonly EntryRow[],
): Promise<ReadonlyMap<TemplateId, GalleryEntry>> {
  const opened = await openTemplates(
    personalData,
    rows.map(({ template: row }) => row),
  );
  return new Map(
    rows.flatMap(({ template: { id, personId }, person: attributes }, index) => {
      const found = opened[index];
      return found === undefined ? [] : [[id, { templateId: id, personId, template: found, attributes }] as const];
    }),
  );
}
