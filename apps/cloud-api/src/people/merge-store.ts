import type { Transaction } from '@sightline/database';
import { AppError, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import { and, asc, eq, inArray, sql } from 'drizzle-orm';

import { noteChangedSightings } from '../analytics/changed-hours.js';
import type { PersonalData } from '../personal-data/personal-data.js';
import { personMergeTemplate } from '../storage/people-schema.js';
import { person, template } from '../storage/schema.js';
import { assertNotMerged, personNotFound } from './person-store.js';

/** Two people of a tenant, and the merge that makes them one. */
export interface MergedPair {
  readonly tenantId: TenantId;
  readonly mergeId: string;
  readonly into: PersonId;
  readonly from: PersonId;
}

type PersonRow = typeof person.$inferSelect;

/**
 * Locks two people against everybody who adds something to them.
 *
 * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED` when the one who stays was merged
 */
export async function lockPair(
  tx: Transaction,
  { tenantId, into, from }: Omit<MergedPair, 'mergeId'>,
): Promise<{ readonly into: PersonRow; readonly from: PersonRow }> {
  const rows = await tx
    .select()
    .from(person)
    .where(and(eq(person.tenantId, tenantId), inArray(person.id, [into, from])))
    // In the order in which everybody locks people.
    .orderBy(asc(person.id))
    .for('update');
  const [stays, goes] = [into, from].map((id) => rows.find((row) => row.id === id));
  if (stays === undefined || goes === undefined) throw personNotFound();
  assertNotMerged(stays);
  return { into: stays, from: goes };
}

/** Moves templates from one person to another, sealed with the key of whose they are now. */
export async function moveTemplates(
  tx: Transaction,
  personalData: PersonalData,
  {
    tenantId,
    from,
    to,
    only,
  }: {
    readonly tenantId: TenantId;
    readonly from: PersonId;
    readonly to: PersonId;
    readonly only?: readonly TemplateId[];
  },
): Promise<readonly TemplateId[]> {
  if (only?.length === 0) return [];
  const own = and(
    eq(template.tenantId, tenantId),
    eq(template.personId, from),
    only && inArray(template.id, [...only]),
  );
  const rows = await tx.select().from(template).where(own).orderBy(asc(template.id)).for('update');
  const opened = (await personalData.openTemplates(rows)).filter((row) => row !== undefined);
  // A template that does not open would be lost for good under another's name.
  if (opened.length < rows.length) throw new AppError('MERGE.INVALID', 'A template of the person does not open.');
  const sealed = await personalData.sealTemplates(opened.map((row) => ({ ...row, personId: to })));
  for (const row of sealed) {
    await tx
      .update(template)
      .set({ personId: to, sealed: row.sealed })
      .where(and(eq(template.tenantId, tenantId), eq(template.id, row.id)));
  }
  return rows.map(({ id }) => id);
}

/** Writes down which templates a merge moved. */
export async function noteTemplates(
  tx: Transaction,
  { tenantId, mergeId }: MergedPair,
  ids: readonly TemplateId[],
): Promise<void> {
  for (const templateId of ids) await tx.insert(personMergeTemplate).values({ tenantId, mergeId, templateId });
}

/** Moves the decisions about sightings, and whom boxes had named. @returns how many */
export async function moveIdentifications(
  tx: Transaction,
  { tenantId, mergeId, into, from }: MergedPair,
): Promise<number> {
  const { rowCount } = await tx.execute(sql`
    INSERT INTO cloud.person_merge_identification (tenant_id, merge_id, sighting_id, revision, decided, local)
    SELECT tenant_id, ${mergeId}::uuid, sighting_id, revision,
      person_id IS NOT DISTINCT FROM ${from}::uuid, local_person_id IS NOT DISTINCT FROM ${from}::uuid
    FROM cloud.identification
    WHERE tenant_id = ${tenantId} AND (person_id = ${from} OR local_person_id = ${from})`);
  await tx.execute(sql`
    UPDATE cloud.identification SET person_id = ${into} WHERE tenant_id = ${tenantId} AND person_id = ${from}`);
  await tx.execute(sql`
    UPDATE cloud.identification SET local_person_id = ${into}
    WHERE tenant_id = ${tenantId} AND local_person_id = ${from}`);
  return rowCount ?? 0;
}

/** Gives back what {@link moveIdentifications} moved. */
export async function returnIdentifications(tx: Transaction, pair: MergedPair): Promise<void> {
  const { tenantId, mergeId, into, from } = pair;
  for (const [column, moved] of [
    [sql.identifier('person_id'), sql.identifier('decided')],
    [sql.identifier('local_person_id'), sql.identifier('local')],
  ] as const) {
    await tx.execute(sql`
      UPDATE cloud.identification one SET ${column} = ${from} FROM cloud.person_merge_identification moved
      WHERE moved.tenant_id = ${tenantId} AND moved.merge_id = ${mergeId} AND moved.${moved}
        AND one.tenant_id = moved.tenant_id AND one.sighting_id = moved.sighting_id AND one.revision = moved.revision
        AND one.${column} = ${into}`);
  }
  await noteChangedSightings(
    tx,
    sql`(tenant_id, id) IN (SELECT tenant_id, sighting_id FROM cloud.person_merge_identification
      WHERE tenant_id = ${tenantId} AND merge_id = ${mergeId} AND decided)`,
  );
}

/** Whoever stays was at every site where either was, when the later of them was. */
export async function moveVisits(tx: Transaction, { tenantId, mergeId, into, from }: MergedPair): Promise<void> {
  await tx.execute(sql`
    INSERT INTO cloud.person_merge_visit (tenant_id, merge_id, site_id, into_last_seen_at, from_last_seen_at)
    SELECT gone.tenant_id, ${mergeId}::uuid, gone.site_id, stays.last_seen_at, gone.last_seen_at
    FROM cloud.person_at_site gone LEFT JOIN cloud.person_at_site stays
      ON stays.tenant_id = gone.tenant_id AND stays.site_id = gone.site_id AND stays.person_id = ${into}
    WHERE gone.tenant_id = ${tenantId} AND gone.person_id = ${from}`);
  await tx.execute(sql`
    INSERT INTO cloud.person_at_site (tenant_id, site_id, person_id, last_seen_at)
    SELECT tenant_id, site_id, ${into}::uuid, last_seen_at FROM cloud.person_at_site
    WHERE tenant_id = ${tenantId} AND person_id = ${from} ORDER BY site_id
    ON CONFLICT (tenant_id, site_id, person_id)
      DO UPDATE SET last_seen_at = greatest(person_at_site.last_seen_at, excluded.last_seen_at)`);
  await tx.execute(sql`DELETE FROM cloud.person_at_site WHERE tenant_id = ${tenantId} AND person_id = ${from}`);
}

/** Gives back what {@link moveVisits} moved; whoever stays and was seen since keeps that. */
export async function returnVisits(tx: Transaction, { tenantId, mergeId, into, from }: MergedPair): Promise<void> {
  const moved = sql`moved.tenant_id = ${tenantId} AND moved.merge_id = ${mergeId}
    AND stays.tenant_id = moved.tenant_id AND stays.site_id = moved.site_id AND stays.person_id = ${into}
    AND stays.last_seen_at = greatest(moved.into_last_seen_at, moved.from_last_seen_at)`;
  await tx.execute(sql`
    DELETE FROM cloud.person_at_site stays USING cloud.person_merge_visit moved
    WHERE ${moved} AND moved.into_last_seen_at IS NULL`);
  await tx.execute(sql`
    UPDATE cloud.person_at_site stays SET last_seen_at = moved.into_last_seen_at FROM cloud.person_merge_visit moved
    WHERE ${moved} AND moved.into_last_seen_at IS NOT NULL`);
  await tx.execute(sql`
    INSERT INTO cloud.person_at_site (tenant_id, site_id, person_id, last_seen_at)
    SELECT tenant_id, site_id, ${from}::uuid, from_last_seen_at FROM cloud.person_merge_visit
    WHERE tenant_id = ${tenantId} AND merge_id = ${mergeId}`);
}

/** What a merge moved is of no interest once it is undone. */
export async function forgetMoves(tx: Transaction, { tenantId, mergeId }: MergedPair): Promise<void> {
  for (const table of [
    'person_merge_template',
    'person_merge_identification',
    'person_merge_visit',
    'person_merge_alert',
  ]) {
    await tx.execute(
      sql`DELETE FROM cloud.${sql.identifier(table)} WHERE tenant_id = ${tenantId} AND merge_id = ${mergeId}`,
    );
  }
}
