import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, arrayContains, desc, eq, inArray, isNull, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type TimeCursor } from '../http/page-cursor.js';
import { Erasures } from '../erasure/erasures.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { identityColumns, PersonalData, type Identity } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { person } from '../storage/schema.js';
import { assureGroups } from './group-store.js';
import { assertNotMerged, externalIdFree, insertPerson, personNotFound } from './person-store.js';

const personColumns = {
  tenantId: person.tenantId,
  id: person.id,
  sealedName: person.sealedName,
  sealedExternalId: person.sealedExternalId,
  sites: person.sites,
  groups: person.groups,
  mergedInto: person.mergedInto,
  createdAt: person.createdAt,
  // Names in full: of a query on one table Drizzle leaves them out, and they would be the subquery's own.
  faces: sql<number>`(
    SELECT count(*)::int FROM cloud.template AS own
    WHERE own.tenant_id = cloud.person.tenant_id AND own.person_id = cloud.person.id
  )`,
};

type PersonRow = Pick<
  typeof person.$inferSelect,
  'tenantId' | 'id' | 'sealedName' | 'sealedExternalId' | 'sites' | 'groups'
> &
  Pick<typeof person.$inferSelect, 'mergedInto' | 'createdAt'> & { readonly faces: number };

/** The people of a tenant. */
@Injectable()
export class People {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly erasures: Erasures,
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
    await inTransaction(this.database, (tx) => insertPerson(tx, row));
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
        const now = new Date(this.clock.wallMs());
        await assureGroups(tx, tenantId, { slugs: changes.groups ?? [], now });
        const [changed] = await tx.update(person).set(values).where(own).returning({ mergedInto: person.mergedInto });
        if (changed === undefined) throw personNotFound();
        assertNotMerged(changed);
        // Boxes keep whom their site needs, with their groups.
        if (changes.sites === undefined && changes.groups === undefined) return;
        await recordGalleryChanges(tx, [{ tenantId, kind: 'person', personId: id }], now);
      }),
    );
    return this.get(tenantId, id);
  }

  /** Newest first; those who were merged into others are left out. */
  async search(tenantId: TenantId, query: rest.SearchPeopleQuery): Promise<rest.PersonPage> {
    const { limit, name } = query;
    // What has no letters and no digits names nobody.
    if (name !== undefined && this.personalData.index.words(tenantId, name).length === 0) {
      return { items: [], nextCursor: null };
    }
    const found: { readonly row: PersonRow; readonly identity: Identity }[] = [];
    let after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, isUuid);
    // A name's words are looked up by buckets, which several words share: whoever has another name is read over.
    for (let isMore = true; isMore && found.length <= limit;) {
      const rows = await this.#readRows(tenantId, query, { after, limit: limit + 1 });
      const identities = await this.personalData.openIdentities(rows);
      for (const row of rows) {
        const identity = identities.get(row.id);
        if (identity !== undefined && this.#isNamed(identity, name)) found.push({ row, identity });
      }
      const last = rows.at(-1);
      after = last && { time: last.createdAt, id: last.id };
      isMore = rows.length > limit;
    }
    return toPage(found, limit, {
      item: ({ row, identity }) => toPerson(row, identity),
      cursor: ({ row: { createdAt, id } }) => ({ time: createdAt, id }),
    });
  }

  #isNamed({ name }: Identity, searched: string | undefined): boolean {
    return searched === undefined || this.personalData.matchesWords(name, searched);
  }

  #readRows(
    tenantId: TenantId,
    { name, externalId, group, site }: rest.SearchPeopleQuery,
    { after, limit }: { readonly after: TimeCursor | undefined; readonly limit: number },
  ): Promise<PersonRow[]> {
    const { index } = this.personalData;
    return this.database.db
      .select(personColumns)
      .from(person)
      .where(
        and(
          eq(person.tenantId, tenantId),
          isNull(person.mergedInto),
          name === undefined ? undefined : arrayContains(person.nameWords, [...index.words(tenantId, name)]),
          externalId === undefined ? undefined : eq(person.externalIdIndex, index.externalId(tenantId, externalId)),
          group === undefined ? undefined : arrayContains(person.groups, [group]),
          site === undefined ? undefined : sql`(cardinality(${person.sites}) = 0 OR ${site} = ANY (${person.sites}))`,
          after &&
            sql`(${person.createdAt}, ${person.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(person.createdAt), desc(person.id))
      .limit(limit);
  }

  /** @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED` */
  async get(tenantId: TenantId, id: PersonId): Promise<rest.Person> {
    const [row] = await this.database.db
      .select(personColumns)
      .from(person)
      .where(and(eq(person.tenantId, tenantId), eq(person.id, id)));
    // Without an identity they are erased already: their key was destroyed.
    const identity = row && (await this.personalData.openIdentities([row])).get(row.id);
    if (row === undefined || identity === undefined) throw personNotFound();
    assertNotMerged(row);
    return toPerson(row, identity);
  }

  /** Names by id; somebody who does not exist, or may not be matched for the purpose, is left out. */
  async names(
    tenantId: TenantId,
    ids: readonly PersonId[],
    purpose?: rest.Purpose,
  ): Promise<ReadonlyMap<PersonId, string>> {
    if (ids.length === 0) return new Map();
    const rows = await this.database.db
      .select(identityColumns)
      .from(person)
      .where(
        and(
          eq(person.tenantId, tenantId),
          inArray(person.id, [...ids]),
          purpose === undefined ? undefined : arrayContains(person.purposes, [purpose]),
        ),
      );
    const identities = await this.personalData.openIdentities(rows);
    return new Map([...identities].map(([id, { name }]) => [id, name]));
  }

  /**
   * Removes a person, whoever was merged into them, and their templates; sightings stay without a name, and boxes that
   * may know them by themselves are told. Resolves once this process's gallery finds them no more.
   *
   * @returns the id of the erasure
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`
   */
  async remove(tenantId: TenantId, id: PersonId): Promise<string> {
    return this.erasures.erase({ tenantId, personId: id });
  }
}

function toPerson(
  { id, sites, groups, faces, createdAt }: Pick<PersonRow, 'id' | 'sites' | 'groups' | 'faces' | 'createdAt'>,
  { name, externalId }: Identity,
): rest.Person {
  return { id, name, externalId, sites, groups, faces, createdAt: createdAt.toISOString() };
}
