import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, isUniqueViolation } from '@sightline/database';
import { AppError, isUuid, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, inArray, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { recordErasure } from '../edge-caches/erasures.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { identityColumns, PersonalData, type Identity } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { person, template } from '../storage/schema.js';

const personColumns = {
  tenantId: person.tenantId,
  id: person.id,
  sealedName: person.sealedName,
  sealedExternalId: person.sealedExternalId,
  sites: person.sites,
  groups: person.groups,
  createdAt: person.createdAt,
  // Names in full: of a query on one table Drizzle leaves them out, and they would be the subquery's own.
  faces: sql<number>`(
    SELECT count(*)::int FROM cloud.template AS own
    WHERE own.tenant_id = cloud.person.tenant_id AND own.person_id = cloud.person.id
  )`,
};

type PersonRow = Omit<typeof person.$inferSelect, 'externalIdIndex' | 'nameWords'> & { readonly faces: number };

export function personNotFound(): AppError {
  return new AppError('PERSON.NOT_FOUND', 'There is no person with this id.');
}

/** The people of a tenant. */
@Injectable()
export class People {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly follower: GalleryFollower,
    private readonly personalData: PersonalData,
  ) {}

  /** @throws AppError `PERSON.DUPLICATE_EXTERNAL_ID` */
  async create(
    tenantId: TenantId,
    { name, externalId, sites = [], groups = [] }: rest.CreatePerson,
  ): Promise<rest.Person> {
    const identity = { name, externalId: externalId ?? null };
    const [sealed] = await this.personalData.newPeople(tenantId, [identity]);
    if (sealed === undefined) throw new AppError('SERVICE.INTERNAL', 'Nobody was made.');
    const row = { ...sealed, sites, groups, createdAt: new Date(this.clock.wallMs()) };
    await externalIdFree(() => this.database.db.insert(person).values(row));
    return toPerson({ ...row, faces: 0 }, identity);
  }

  /** @throws AppError `PERSON.NOT_FOUND`, `PERSON.DUPLICATE_EXTERNAL_ID` */
  async change(tenantId: TenantId, id: PersonId, changes: rest.ChangePerson): Promise<rest.Person> {
    const { name, externalId, ...others } = changes;
    const values = {
      ...Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined)),
      ...(await this.personalData.changedIdentity({ tenantId, personId: id }, { name, externalId })),
    };
    await externalIdFree(() =>
      inTransaction(this.database, async (tx) => {
        const own = and(eq(person.tenantId, tenantId), eq(person.id, id));
        const [changed] = await tx.update(person).set(values).where(own).returning({ personId: person.id });
        if (changed === undefined) throw personNotFound();
        // Boxes keep whom their site needs, with their groups.
        if (changes.sites === undefined && changes.groups === undefined) return;
        await recordGalleryChanges(tx, [{ tenantId, kind: 'person', ...changed }], new Date(this.clock.wallMs()));
      }),
    );
    return this.get(tenantId, id);
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.PersonPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const rows = await this.database.db
      .select(personColumns)
      .from(person)
      .where(
        and(
          eq(person.tenantId, tenantId),
          after &&
            sql`(${person.createdAt}, ${person.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(person.createdAt), desc(person.id))
      .limit(limit + 1);
    const identities = await this.personalData.openIdentities(rows);
    const page = toPage(rows, limit, {
      item: (row) => optionalPerson(row, identities.get(row.id)),
      cursor: ({ createdAt, id }) => ({ time: createdAt, id }),
    });
    return { ...page, items: page.items.filter((item) => item !== undefined) };
  }

  /** @throws AppError `PERSON.NOT_FOUND` */
  async get(tenantId: TenantId, id: PersonId): Promise<rest.Person> {
    const [row] = await this.database.db
      .select(personColumns)
      .from(person)
      .where(and(eq(person.tenantId, tenantId), eq(person.id, id)));
    const found = row && optionalPerson(row, (await this.personalData.openIdentities([row])).get(row.id));
    if (found === undefined) throw personNotFound();
    return found;
  }

  /** Names by id; somebody who does not exist is left out. */
  async names(tenantId: TenantId, ids: readonly PersonId[]): Promise<ReadonlyMap<PersonId, string>> {
    if (ids.length === 0) return new Map();
    const rows = await this.database.db
      .select(identityColumns)
      .from(person)
      .where(and(eq(person.tenantId, tenantId), inArray(person.id, [...ids])));
    const identities = await this.personalData.openIdentities(rows);
    return new Map([...identities].map(([id, { name }]) => [id, name]));
  }

  /**
   * Removes a person and their templates; sightings stay without a name, and boxes that may know the person by
   * themselves are told. Resolves once this process's gallery finds them no more.
   *
   * @throws AppError `PERSON.NOT_FOUND`
   */
  async remove(tenantId: TenantId, id: PersonId): Promise<void> {
    const version = await inTransaction(this.database, async (tx) => {
      const own = and(eq(person.tenantId, tenantId), eq(person.id, id));
      // Waits for enrolments of this person that are under way, so that their templates are seen below.
      const [locked] = await tx.select({ id: person.id }).from(person).where(own).for('update');
      if (locked === undefined) throw personNotFound();
      const templates = await tx
        .select({ templateId: template.id })
        .from(template)
        .where(and(eq(template.tenantId, tenantId), eq(template.personId, id)));
      await recordErasure(tx, { tenantId, personId: id, erasedAt: new Date(this.clock.wallMs()) });
      await tx.delete(person).where(own);
      const changes = templates.map(({ templateId }) => ({ tenantId, kind: 'remove' as const, templateId }));
      return recordGalleryChanges(tx, changes, new Date(this.clock.wallMs()));
    });
    await this.follower.passed(version);
  }
}

/** Without an identity when the person's key was destroyed: then they are erased already. */
function optionalPerson(row: PersonRow, identity: Identity | undefined): rest.Person | undefined {
  return identity && toPerson(row, identity);
}

function toPerson(
  { id, sites, groups, faces, createdAt }: Pick<PersonRow, 'id' | 'sites' | 'groups' | 'faces' | 'createdAt'>,
  { name, externalId }: Identity,
): rest.Person {
  return { id, name, externalId, sites, groups, faces, createdAt: createdAt.toISOString() };
}

/** @throws AppError `PERSON.DUPLICATE_EXTERNAL_ID` in the place of the database's refusal */
async function externalIdFree(store: () => PromiseLike<unknown>): Promise<void> {
  try {
    await store();
  } catch (error) {
    if (!isUniqueViolation(error, 'person_external_id_index')) throw error;
    throw new AppError('PERSON.DUPLICATE_EXTERNAL_ID', 'Another person has this external id.', { cause: error });
  }
}
