import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { AppError, isUuid, type Clock, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull, lte, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { tenant } from '../storage/access-schema.js';
import { labelledSet } from '../storage/retraining-schema.js';
import { countMembers, readMembers, takeMembers, type SetKey } from './labelled-members.js';
import { RetrainingPolicies } from './retraining-policies.js';

const DAY_MS = 86_400_000;
/** Lines of an export that are read at once. */
const LINES = 500;

export type SetRow = typeof labelledSet.$inferSelect;

/** Sightings of which somebody has said whose they are, as sets that do not change but for those who leave. */
@Injectable()
export class LabelledSets {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly policies: RetrainingPolicies,
    private readonly audit: Audit,
  ) {}

  /** @throws AppError `RETRAINING.SITE_OFF` */
  async create({ tenantId, actor }: RequestCaller, asked: rest.CreateLabelledSet): Promise<rest.LabelledSet> {
    const { sites, from, until, purpose, keepDays } = asked;
    await this.policies.assertOn(tenantId, sites);
    const [id, now] = [randomUUID(), this.clock.wallMs()];
    const seen = { seenFrom: new Date(from), seenUntil: new Date(until) };
    const row = await inTransaction(this.database, async (tx) => {
      // One after another, so that each has a version of its own.
      await tx.select({ id: tenant.id }).from(tenant).where(eq(tenant.id, tenantId)).for('no key update');
      const ofPurpose = and(eq(labelledSet.tenantId, tenantId), eq(labelledSet.purpose, purpose));
      const [last] = await tx
        .select({ version: sql<number>`coalesce(max(${labelledSet.version}), 0)` })
        .from(labelledSet)
        .where(ofPurpose);
      const set = {
        ...{ tenantId, id, purpose, sites: [...new Set(sites)], ...seen, createdBy: actor, members: 0 },
        ...{ version: (last?.version ?? 0) + 1, createdAt: new Date(now) },
        expiresAt: new Date(now + keepDays * DAY_MS),
      };
      await tx.insert(labelledSet).values(set);
      const members = await takeMembers(tx, set, { sites, from: seen.seenFrom, until: seen.seenUntil });
      const [stored] = await tx.update(labelledSet).set({ members }).where(isSet(set)).returning();
      await this.audit.record(tx, { tenantId, action: 'labelled-set.create', subject: subjectOf(id) });
      return stored;
    });
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The labelled set was not stored.');
    return this.#show(row);
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.LabelledSetPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { createdAt, id } = labelledSet;
    const rows = await this.database.db
      .select()
      .from(labelledSet)
      .where(
        and(
          eq(labelledSet.tenantId, tenantId),
          after && sql`(${createdAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1);
    const shown = new Map<string, rest.LabelledSet>();
    for (const row of rows.slice(0, limit)) shown.set(row.id, await this.#show(row));
    const page = toPage(rows, limit, {
      item: (row) => shown.get(row.id),
      cursor: (row) => ({ time: row.createdAt, id: row.id }),
    });
    return { ...page, items: page.items.filter((item) => item !== undefined) };
  }

  /** @throws AppError `LABELLED_SET.NOT_FOUND` */
  async get(key: SetKey): Promise<rest.LabelledSet> {
    return this.#show(await this.row(key));
  }

  /** @throws AppError `LABELLED_SET.NOT_FOUND` */
  async row(key: SetKey): Promise<SetRow> {
    const [row] = await this.database.db.select().from(labelledSet).where(isSet(key));
    if (row === undefined) throw new AppError('LABELLED_SET.NOT_FOUND', 'There is no such labelled set.');
    return row;
  }

  /** The newest set that holds sightings of a site. */
  async newestOf(tenantId: TenantId, siteId: string): Promise<SetRow | undefined> {
    const [row] = await this.database.db
      .select()
      .from(labelledSet)
      .where(and(eq(labelledSet.tenantId, tenantId), sql`${siteId} = ANY (${labelledSet.sites})`))
      .orderBy(desc(labelledSet.createdAt), desc(labelledSet.id))
      .limit(1);
    return row;
  }

  /**
   * Says that a set may be exported for its purpose. Whoever made it cannot say so.
   *
   * @throws AppError `LABELLED_SET.NOT_FOUND`, `LABELLED_SET.OWN_APPROVAL`
   */
  async approve({ tenantId, actor }: RequestCaller, id: string): Promise<rest.LabelledSet> {
    const key = { tenantId, id };
    const row = await this.row(key);
    if (row.createdBy === actor) {
      throw new AppError('LABELLED_SET.OWN_APPROVAL', 'Somebody else than who made the set has to approve it.');
    }
    const approved = { approvedAt: new Date(this.clock.wallMs()), approvedBy: actor };
    await inTransaction(this.database, async (tx) => {
      await tx
        .update(labelledSet)
        .set(approved)
        .where(and(isSet(key), isNull(labelledSet.approvedAt)));
      await this.audit.record(tx, { tenantId, action: 'labelled-set.approve', subject: subjectOf(id) });
    });
    return this.get(key);
  }

  /** Deletes a set; probes that were kept for it alone are deleted within ten minutes. */
  async remove(key: SetKey): Promise<void> {
    await this.row(key);
    await inTransaction(this.database, async (tx) => {
      await tx.delete(labelledSet).where(isSet(key));
      await this.audit.record(tx, {
        ...{ tenantId: key.tenantId, action: 'labelled-set.delete', subject: subjectOf(key.id) },
      });
    });
  }

  /**
   * A set as JSON lines, ids and labels.
   *
   * @throws AppError `LABELLED_SET.NOT_FOUND`, `LABELLED_SET.NOT_APPROVED`
   */
  async export(key: SetKey): Promise<AsyncIterable<string>> {
    if ((await this.row(key)).approvedAt === null) {
      throw new AppError(
        'LABELLED_SET.NOT_APPROVED',
        'The set may be exported once somebody has approved its purpose.',
      );
    }
    return this.#lines(key);
  }

  /** Deletes the sets whose time is over. */
  async expire(): Promise<void> {
    await this.database.db.delete(labelledSet).where(lte(labelledSet.expiresAt, new Date(this.clock.wallMs())));
  }

  async *#lines(key: SetKey): AsyncGenerator<string> {
    let after: string | undefined;
    for (;;) {
      const members = await readMembers(this.database, key, after, LINES);
      if (members.length > 0) yield members.map((member) => `${JSON.stringify(member)}\n`).join('');
      if (members.length < LINES) return;
      after = members.at(-1)?.sightingId;
    }
  }

  async #show(row: SetRow): Promise<rest.LabelledSet> {
    const { id, version, purpose, sites, createdBy, approvedBy } = row;
    return {
      ...{ id, version, purpose, sites, createdBy, approvedBy },
      from: row.seenFrom.toISOString(),
      until: row.seenUntil.toISOString(),
      createdAt: row.createdAt.toISOString(),
      expiresAt: row.expiresAt.toISOString(),
      approvedAt: row.approvedAt?.toISOString() ?? null,
      members: await countMembers(this.database.db, row),
    };
  }
}

const isSet = ({ tenantId, id }: SetKey) => and(eq(labelledSet.tenantId, tenantId), eq(labelledSet.id, id));
const subjectOf = (id: string) => ({ kind: 'labelled-set', id });
