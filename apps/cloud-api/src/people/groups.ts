import type { rest } from '@sightline/contracts';
import { inTransaction, isUniqueViolation, type Database, type Transaction } from '@sightline/database';
import { AppError, isSlug, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { personGroup } from '../storage/people-schema.js';
import { person } from '../storage/schema.js';

/** People who leave a group in one transaction. */
const LEAVING = 500;

const groupColumns = {
  slug: personGroup.slug,
  name: personGroup.name,
  kind: personGroup.kind,
  description: personGroup.description,
  createdAt: personGroup.createdAt,
  // Names in full: of a query on one table Drizzle leaves them out, and they would be the subquery's own.
  people: sql<number>`(
    SELECT count(*)::int FROM cloud.person AS member
    WHERE member.tenant_id = cloud.person_group.tenant_id AND member.groups @> ARRAY[cloud.person_group.slug]
      AND member.merged_into IS NULL
  )`,
};

type GroupRow = Omit<typeof personGroup.$inferSelect, 'tenantId'> & { readonly people: number };

const notFound = (): AppError => new AppError('GROUP.NOT_FOUND', 'There is no group with this id.');

/** The groups and watch-lists of a tenant. */
@Injectable()
export class Groups {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws AppError `GROUP.ALREADY_EXISTS` */
  async create(tenantId: TenantId, { id: slug, ...group }: rest.CreateGroup): Promise<rest.Group> {
    const row = { slug, ...group, createdAt: new Date(this.clock.wallMs()) };
    try {
      await this.database.db.insert(personGroup).values({ tenantId, ...row });
    } catch (error) {
      if (!isUniqueViolation(error, 'person_group_pkey')) throw error;
      throw new AppError('GROUP.ALREADY_EXISTS', 'There is a group with this id.', { cause: error });
    }
    return toGroup({ ...row, people: 0 });
  }

  /** @throws AppError `GROUP.NOT_FOUND` */
  async change(tenantId: TenantId, slug: string, changes: rest.ChangeGroup): Promise<rest.Group> {
    const values = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    await this.database.db.update(personGroup).set(values).where(own(tenantId, slug));
    return this.get(tenantId, slug);
  }

  /** @throws AppError `GROUP.NOT_FOUND` */
  async get(tenantId: TenantId, slug: string): Promise<rest.Group> {
    const [row] = await this.database.db.select(groupColumns).from(personGroup).where(own(tenantId, slug));
    if (row === undefined) throw notFound();
    return toGroup(row);
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.GroupPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug);
    const rows = await this.database.db
      .select(groupColumns)
      .from(personGroup)
      .where(
        and(
          eq(personGroup.tenantId, tenantId),
          after &&
            sql`(${personGroup.createdAt}, ${personGroup.slug}) < (${after.time.toISOString()}::timestamptz, ${after.id})`,
        ),
      )
      .orderBy(desc(personGroup.createdAt), desc(personGroup.slug))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toGroup, cursor: ({ createdAt, slug }) => ({ time: createdAt, id: slug }) });
  }

  /**
   * Removes a group. With `cascade` its people leave it first, some at a time: boxes hear of each of them. An
   * interruption leaves the group with fewer people, and can be repeated.
   *
   * @throws AppError `GROUP.NOT_FOUND`, `GROUP.IN_USE`
   */
  async remove(tenantId: TenantId, slug: string, { cascade }: { readonly cascade: boolean }): Promise<void> {
    let left: number;
    do {
      left = await inTransaction(this.database, async (tx) => {
        // Whoever puts people into it holds the row until they are there.
        const [locked] = await tx
          .select({ slug: personGroup.slug })
          .from(personGroup)
          .where(own(tenantId, slug))
          .for('update');
        if (locked === undefined) throw notFound();
        const members = await lockMembers(tx, tenantId, slug);
        if (members.length === 0) await tx.delete(personGroup).where(own(tenantId, slug));
        else if (cascade) await this.#leave(tx, tenantId, { slug, members });
        else throw new AppError('GROUP.IN_USE', 'People are in the group: say cascade=true to let them leave it.');
        return members.length;
      });
    } while (left > 0);
  }

  async #leave(
    tx: Transaction,
    tenantId: TenantId,
    { slug, members }: { readonly slug: string; readonly members: readonly PersonId[] },
  ): Promise<void> {
    await tx.execute(sql`
      UPDATE cloud.person SET groups = array_remove(groups, ${slug})
      WHERE tenant_id = ${tenantId} AND id = ANY (${sql.param(members)}::uuid[])`);
    const changes = members.map((personId) => ({ tenantId, kind: 'person' as const, personId }));
    await recordGalleryChanges(tx, changes, new Date(this.clock.wallMs()));
  }
}

/** The next people of a group, in the order of their ids, which is that of all locks on people. */
async function lockMembers(tx: Transaction, tenantId: TenantId, slug: string): Promise<readonly PersonId[]> {
  const rows = await tx
    .select({ id: person.id })
    .from(person)
    .where(and(eq(person.tenantId, tenantId), sql`${person.groups} @> ARRAY[${slug}]`))
    .orderBy(asc(person.id))
    .limit(LEAVING)
    .for('no key update');
  return rows.map(({ id }) => id);
}

const own = (tenantId: TenantId, slug: string) => and(eq(personGroup.tenantId, tenantId), eq(personGroup.slug, slug));

function toGroup({ slug, name, kind, description, people, createdAt }: GroupRow): rest.Group {
  return { id: slug, name, kind, description, people, createdAt: createdAt.toISOString() };
}
