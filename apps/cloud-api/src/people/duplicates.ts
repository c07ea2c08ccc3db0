import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { defineJob, defineTrigger, type JobRun, type Jobs } from '@sightline/jobs';
import { AppError, isSlug, isUuid, type Clock, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, gt, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import { z } from 'zod';

import { decodeCursor, toPage } from '../http/page-cursor.js';
import { openTemplates } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, JOBS } from '../platform/tokens.js';
import { duplicatePair, duplicateSearch } from '../storage/people-schema.js';
import { template } from '../storage/schema.js';
import { NearPeople } from './near-people.js';
import { People } from './people.js';
import { TemplateAdmission } from './template-admission.js';

/** Templates that are looked up at once; how far the search is, is written down after each of them. */
const BATCH = 64;
/** How often searches that nobody works on are looked for, ms. */
const UPKEEP_MS = 60_000;
/** At night (UTC) every tenant's people are searched. */
const NIGHTLY = '30 2 * * *';

const tenantSchema = z.object({
  tenantId: z
    .string()
    .refine(isSlug)
    .transform((id) => id as TenantId),
});
const searchJob = defineJob('duplicate-search', (data) => tenantSchema.parse(data));
const upkeep = defineTrigger('duplicate-upkeep');
const nightly = defineTrigger('duplicate-nightly');

/** People who may be one and the same. */
@Injectable()
export class Duplicates {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(JOBS) private readonly jobs: Jobs,
    private readonly people: People,
    private readonly near: NearPeople,
    private readonly admission: TemplateAdmission,
    private readonly personalData: PersonalData,
  ) {
    jobs.handle(searchJob, (run) => this.run(run));
    jobs.handle(upkeep, () => this.#goOn());
    jobs.schedule(upkeep, { everyMs: UPKEEP_MS });
    jobs.handle(nightly, () => this.#startAll());
    jobs.schedule(nightly, { cron: NIGHTLY });
  }

  /** Pairs, those found last first; of people who are merged by now there is none. */
  async list(tenantId: TenantId, query: rest.DuplicatesQuery): Promise<rest.DuplicatePairPage> {
    const { limit, cursor, dismissed } = query;
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const rows = await this.database.db
      .select()
      .from(duplicatePair)
      .where(
        and(
          eq(duplicatePair.tenantId, tenantId),
          dismissed === 'true' ? isNotNull(duplicatePair.dismissedAt) : isNull(duplicatePair.dismissedAt),
          sql`NOT EXISTS (SELECT FROM cloud.person gone WHERE gone.tenant_id = ${tenantId} AND gone.merged_into IS NOT NULL
            AND gone.id IN (${duplicatePair.personId}, ${duplicatePair.otherPersonId}))`,
          after &&
            sql`(${duplicatePair.foundAt}, ${duplicatePair.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(duplicatePair.foundAt), desc(duplicatePair.id))
      .limit(limit + 1);
    const ids = rows.flatMap(({ personId, otherPersonId }) => [personId, otherPersonId]);
    const names = await this.people.names(tenantId, [...new Set(ids)]);
    return toPage(rows, limit, {
      item: (row) => toView(row, names),
      cursor: ({ foundAt, id }) => ({ time: foundAt, id }),
    });
  }

  /** Dismisses a pair, or takes that back. @throws AppError `DUPLICATE.NOT_FOUND` */
  async change(tenantId: TenantId, id: string, { dismissed }: rest.ChangeDuplicate): Promise<rest.DuplicatePair> {
    const dismissedAt = dismissed ? new Date(this.clock.wallMs()) : null;
    const [row] = await this.database.db
      .update(duplicatePair)
      .set({ dismissedAt })
      .where(and(eq(duplicatePair.tenantId, tenantId), eq(duplicatePair.id, id)))
      .returning();
    if (row === undefined) throw new AppError('DUPLICATE.NOT_FOUND', 'There is no such pair of people.');
    return toView(row, await this.people.names(tenantId, [row.personId, row.otherPersonId]));
  }

  /** How far the tenant's latest search is. */
  async search(tenantId: TenantId): Promise<rest.DuplicateSearch> {
    const [row] = await this.database.db.select().from(duplicateSearch).where(eq(duplicateSearch.tenantId, tenantId));
    if (row === undefined) return { state: 'never', templates: 0, startedAt: null, finishedAt: null };
    const { state, templates, startedAt, finishedAt } = row;
    return { state, templates, startedAt: startedAt.toISOString(), finishedAt: finishedAt?.toISOString() ?? null };
  }

  /** Looks up every template of a tenant among all others, by a job; one search at a time. */
  async start(tenantId: TenantId): Promise<rest.DuplicateSearch> {
    const fresh = {
      ...{ state: 'running' as const, afterTemplateId: null, templates: 0, finishedAt: null },
      startedAt: new Date(this.clock.wallMs()),
    };
    await this.database.db
      .insert(duplicateSearch)
      .values({ tenantId, ...fresh })
      .onConflictDoUpdate({
        target: duplicateSearch.tenantId,
        set: fresh,
        setWhere: eq(duplicateSearch.state, 'done'),
      });
    await this.#enqueue(tenantId);
    return this.search(tenantId);
  }

  /** Goes on with a search from where it was left. */
  async run({
    data: { tenantId },
    signal,
  }: Pick<JobRun<z.output<typeof tenantSchema>>, 'data' | 'signal'>): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const [search] = await this.database.db
        .select()
        .from(duplicateSearch)
        .where(and(eq(duplicateSearch.tenantId, tenantId), eq(duplicateSearch.state, 'running')));
      if (search === undefined) return;
      const { last, count } = await this.#lookUp(tenantId, search.afterTemplateId, signal);
      const own = and(eq(duplicateSearch.tenantId, tenantId), eq(duplicateSearch.startedAt, search.startedAt));
      if (last === undefined) {
        await this.#forgetStale(tenantId, search.startedAt);
        const finishedAt = new Date(this.clock.wallMs());
        await this.database.db.update(duplicateSearch).set({ state: 'done', finishedAt }).where(own);
        return;
      }
      const progress = { afterTemplateId: last, templates: search.templates + count };
      await this.database.db.update(duplicateSearch).set(progress).where(own);
    }
  }

  async #lookUp(tenantId: TenantId, after: TemplateId | null, signal: AbortSignal) {
    const { spaceId, keyId } = await this.admission.current(tenantId);
    const rows = await this.database.db
      .select()
      .from(template)
      .where(
        and(
          eq(template.tenantId, tenantId),
          sql`${template.modelSpace} = ${spaceId} AND ${template.keyId} = ${keyId}`,
          after === null ? undefined : gt(template.id, after),
        ),
      )
      .orderBy(asc(template.id))
      .limit(BATCH);
    const opened = await openTemplates(this.personalData, rows);
    const own = rows.flatMap(({ personId }, index) => {
      const found = opened[index];
      return found === undefined ? [] : [{ personId, template: found }];
    });
    if (own.length > 0) await this.near.find(tenantId, own, signal);
    return { last: rows.at(-1)?.id, count: rows.length };
  }

  /** Pairs that a whole search has not come upon again: their templates are gone. What was dismissed stays dismissed. */
  async #forgetStale(tenantId: TenantId, startedAt: Date): Promise<void> {
    await this.database.db
      .delete(duplicatePair)
      .where(
        and(
          eq(duplicatePair.tenantId, tenantId),
          lt(duplicatePair.seenAt, startedAt),
          isNull(duplicatePair.dismissedAt),
        ),
      );
  }

  async #goOn(): Promise<void> {
    const rows = await this.database.db.select().from(duplicateSearch).where(eq(duplicateSearch.state, 'running'));
    for (const { tenantId } of rows) await this.#enqueue(tenantId);
  }

  async #startAll(): Promise<void> {
    const rows = await this.database.db.selectDistinct({ tenantId: template.tenantId }).from(template);
    for (const { tenantId } of rows) await this.start(tenantId);
  }

  async #enqueue(tenantId: TenantId): Promise<void> {
    await this.jobs.enqueue(searchJob, { tenantId }, { id: `duplicates-${tenantId}` });
  }
}

function toView(
  {
    id,
    personId,
    otherPersonId,
    score,
    threshold,
    falseMatchRate,
    foundAt,
    dismissedAt,
  }: typeof duplicatePair.$inferSelect,
  names: ReadonlyMap<PersonId, string>,
): rest.DuplicatePair {
  return {
    ...{ id, score, threshold, falseMatchRate, foundAt: foundAt.toISOString() },
    people: [personId, otherPersonId].map((own) => ({ id: own, name: names.get(own) ?? '' })),
    dismissedAt: dismissedAt?.toISOString() ?? null,
  };
}
