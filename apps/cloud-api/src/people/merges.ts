import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, sql } from 'drizzle-orm';

import { moveAlerts, returnAlerts } from '../alerts/person-alerts.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { personMerge, personMergeTemplate } from '../storage/people-schema.js';
import { person } from '../storage/schema.js';
import { mergeAttributes, unmergeAttributes, type Attributes } from './merge-attributes.js';
import {
  forgetMoves,
  lockPair,
  moveIdentifications,
  moveTemplates,
  moveVisits,
  noteTemplates,
  returnIdentifications,
  returnVisits,
  type MergedPair,
} from './merge-store.js';
import { assertNotMerged } from './person-store.js';

type MergeRow = typeof personMerge.$inferSelect;

/** People who turned out to be one and the same. */
@Injectable()
export class Merges {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly follower: GalleryFollower,
  ) {}

  /**
   * Makes one person of two: templates, sightings, visits, sites and groups go to the one who stays. The other keeps
   * name, external id and whatever else hangs on them, and is shown nowhere until the merge is undone.
   *
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`, `MERGE.INVALID`
   */
  async merge(tenantId: TenantId, into: PersonId, from: PersonId): Promise<rest.Merge> {
    if (into === from) throw new AppError('MERGE.INVALID', 'A person cannot be merged into themselves.');
    const pair = { tenantId, mergeId: randomUUID(), into, from };
    const { row, version } = await inTransaction(this.database, async (tx) => {
      const people = await lockPair(tx, pair);
      assertNotMerged(people.from);
      const mergedAt = await nextMergeTime(tx, pair, this.clock.wallMs());
      const { merged, ...added } = mergeAttributes(people.into, people.from);
      const { addedSites, addedGroups, narrowedSites } = added;
      const [stored] = await tx
        .insert(personMerge)
        .values({
          ...{
            tenantId,
            id: pair.mergeId,
            intoPersonId: into,
            fromPersonId: from,
            templates: 0,
            sightings: 0,
            mergedAt,
          },
          ...{ addedSites: [...addedSites], addedGroups: [...addedGroups] },
          narrowedSites: narrowedSites && [...narrowedSites],
        })
        .returning();
      const templates = await moveTemplates(tx, this.personalData, { tenantId, from, to: into });
      await noteTemplates(tx, pair, templates);
      const sightings = await moveIdentifications(tx, pair);
      await moveVisits(tx, pair);
      await moveAlerts(tx, pair);
      await setAttributes(tx, pair, merged);
      await tx.update(person).set({ mergedInto: into }).where(isPerson(tenantId, from));
      const counts = { templates: templates.length, sightings };
      await tx.update(personMerge).set(counts).where(isMerge(tenantId, pair.mergeId));
      return { row: stored && { ...stored, ...counts }, version: await this.#announce(tx, pair, templates) };
    });
    await this.follower.passed(version);
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The merge was not stored.');
    return toView(row);
  }

  /**
   * Makes two people of one again. What came to the one who stays since then is theirs.
   *
   * @throws AppError `MERGE.NOT_FOUND`, `MERGE.INVALID` when it is undone already, `MERGE.NOT_LAST` when one of them
   *   was merged again since
   */
  async undo(tenantId: TenantId, id: string): Promise<rest.Merge> {
    const found = await this.#read(tenantId, id);
    const pair = { tenantId, mergeId: id, into: found.intoPersonId, from: found.fromPersonId };
    const { row, version } = await inTransaction(this.database, async (tx) => {
      const people = await lockPair(tx, pair).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'PERSON.MERGED') throw notLast();
        throw error;
      });
      const [merge] = await tx.select().from(personMerge).where(isMerge(tenantId, id)).for('update');
      if (merge?.undoneAt !== null) throw new AppError('MERGE.INVALID', 'The merge is undone already.');
      await assertLast(tx, merge);
      const noted = await tx.select().from(personMergeTemplate).where(isMove(tenantId, id));
      const only = noted.map(({ templateId }) => templateId);
      const templates = await moveTemplates(tx, this.personalData, { tenantId, from: pair.into, to: pair.from, only });
      await returnIdentifications(tx, pair);
      await returnVisits(tx, pair);
      await returnAlerts(tx, pair);
      await setAttributes(tx, pair, unmergeAttributes(people.into, merge));
      await tx.update(person).set({ mergedInto: null }).where(isPerson(tenantId, pair.from));
      await forgetMoves(tx, pair);
      const undoneAt = new Date(this.clock.wallMs());
      await tx.update(personMerge).set({ undoneAt }).where(isMerge(tenantId, id));
      return { row: { ...merge, undoneAt }, version: await this.#announce(tx, pair, templates) };
    });
    await this.follower.passed(version);
    return toView(row);
  }

  /** @throws AppError `MERGE.NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<rest.Merge> {
    return toView(await this.#read(tenantId, id));
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.MergePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { mergedAt, id } = personMerge;
    const rows = await this.database.db
      .select()
      .from(personMerge)
      .where(
        and(
          eq(personMerge.tenantId, tenantId),
          after && sql`(${mergedAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(mergedAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toView, cursor: (row) => ({ time: row.mergedAt, id: row.id }) });
  }

  async #read(tenantId: TenantId, id: string): Promise<MergeRow> {
    const [row] = await this.database.db.select().from(personMerge).where(isMerge(tenantId, id));
    if (row === undefined) throw new AppError('MERGE.NOT_FOUND', 'There is no merge with this id.');
    return row;
  }

  /** Galleries and boxes hear of the templates' new owner, and of both people. */
  #announce(tx: Transaction, { tenantId, into, from }: MergedPair, templates: readonly TemplateId[]): Promise<number> {
    const changes = [
      ...templates.map((templateId) => ({ tenantId, kind: 'upsert' as const, templateId })),
      ...[from, into].map((personId) => ({ tenantId, kind: 'person' as const, personId })),
    ];
    return recordGalleryChanges(tx, changes, new Date(this.clock.wallMs()));
  }
}

const isMerge = (tenantId: TenantId, id: string) => and(eq(personMerge.tenantId, tenantId), eq(personMerge.id, id));
const isMove = (tenantId: TenantId, mergeId: string) =>
  and(eq(personMergeTemplate.tenantId, tenantId), eq(personMergeTemplate.mergeId, mergeId));
const isPerson = (tenantId: TenantId, id: PersonId) => and(eq(person.tenantId, tenantId), eq(person.id, id));
const notLast = (): AppError =>
  new AppError('MERGE.NOT_LAST', 'One of these people was merged again since: undo that merge first.');

async function setAttributes(
  tx: Transaction,
  { tenantId, into }: MergedPair,
  { sites, groups }: Attributes,
): Promise<void> {
  await tx
    .update(person)
    .set({ sites: [...sites], groups: [...groups] })
    .where(isPerson(tenantId, into));
}

/** Later than every merge into the person before: two never have the same time, whatever the clock says. */
async function nextMergeTime(tx: Transaction, { tenantId, into }: MergedPair, nowMs: number): Promise<Date> {
  const [last] = await tx
    .select({ mergedAt: personMerge.mergedAt })
    .from(personMerge)
    .where(and(eq(personMerge.tenantId, tenantId), eq(personMerge.intoPersonId, into)))
    .orderBy(desc(personMerge.mergedAt))
    .limit(1);
  return new Date(Math.max(nowMs, (last?.mergedAt.getTime() ?? 0) + 1));
}

/** Merges are undone in the reverse of their order, so that each finds what it left. */
async function assertLast(tx: Transaction, { tenantId, id, intoPersonId, mergedAt }: MergeRow): Promise<void> {
  const { rows } = await tx.execute(sql`
    SELECT FROM cloud.person_merge
    WHERE tenant_id = ${tenantId} AND into_person_id = ${intoPersonId} AND undone_at IS NULL AND id <> ${id}
      AND merged_at > ${mergedAt} LIMIT 1`);
  if (rows.length > 0) throw notLast();
}

function toView({ id, intoPersonId, fromPersonId, templates, sightings, mergedAt, undoneAt }: MergeRow): rest.Merge {
  return {
    ...{ id, into: intoPersonId, from: fromPersonId, templates, sightings },
    ...{ mergedAt: mergedAt.toISOString(), undoneAt: undoneAt?.toISOString() ?? null },
  };
}
