import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock, type Logger, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import type { PersonalData } from './personal-data.js';

const PEOPLE = 500;

export interface SealPlainRowsOptions {
  readonly database: Database;
  readonly personalData: PersonalData;
  readonly clock: Clock;
  readonly log: Logger;
}

interface PlainPerson extends Record<string, unknown> {
  readonly tenantId: TenantId;
  readonly id: PersonId;
  readonly name: string | null;
  readonly externalId: string | null;
}

interface PlainTemplate extends Record<string, unknown> {
  readonly tenantId: TenantId;
  readonly personId: PersonId;
  readonly id: TemplateId;
  readonly data: Buffer;
}

/**
 * Binds the database to its key store, and seals what an earlier version had stored in the clear. In transactions of a
 * few hundred people, so that a start that was interrupted goes on where it stopped; afterwards the tables are written
 * anew, so that their files hold no old row any more. One process does it, others wait for it.
 *
 * @throws AppError `KEY_STORE.FOREIGN` when the rows were sealed with another key store
 */
export async function sealPlainRows({ database, personalData, clock, log }: SealPlainRowsOptions): Promise<void> {
  if (await bind(database, personalData)) return;
  let sealed = 0;
  for (;;) {
    const people = await inTransaction(database, (tx) => sealSome(tx, personalData));
    sealed += people;
    if (people < PEOPLE) break;
  }
  if (sealed > 0) {
    log.info({ people: sealed }, 'names and templates that were stored in the clear are sealed');
    await database.db.execute(sql`VACUUM (FULL) cloud.person`);
    await database.db.execute(sql`VACUUM (FULL) cloud.template`);
    await database.db.execute(sql`ALTER TABLE cloud.person VALIDATE CONSTRAINT person_sealed`);
    await database.db.execute(sql`ALTER TABLE cloud.template VALIDATE CONSTRAINT template_sealed`);
  }
  await database.db.execute(sql`UPDATE cloud.personal_data SET sealed_at = ${new Date(clock.wallMs())}`);
}

/** @returns whether nothing is left to be sealed */
async function bind({ db }: Database, { keyStore: { id: keyStoreId } }: PersonalData): Promise<boolean> {
  const { rows } = await db.execute<{ id: string; sealed: boolean }>(sql`
    UPDATE cloud.personal_data SET key_store_id = coalesce(key_store_id, ${keyStoreId}::uuid)
    RETURNING key_store_id AS id, sealed_at IS NOT NULL AS sealed`);
  if (rows[0]?.id !== keyStoreId) {
    throw new AppError(
      'KEY_STORE.FOREIGN',
      'The names and templates of this database were sealed with another key store: give it back, or restore its ' +
        'backup. Without it they cannot be read.',
      { details: { expected: rows[0]?.id ?? '', found: keyStoreId } },
    );
  }
  return rows[0].sealed;
}

async function sealSome(tx: Transaction, personalData: PersonalData): Promise<number> {
  // Held until the transaction ends: two processes would make two keys for one person.
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('sightline sealing'), 0)`);
  const { rows: people } = await tx.execute<PlainPerson>(sql`
    SELECT tenant_id AS "tenantId", id, name, external_id AS "externalId" FROM cloud.person
    WHERE sealed_name IS NULL ORDER BY tenant_id, id LIMIT ${PEOPLE} FOR UPDATE`);
  if (people.length === 0) return 0;
  const subjects = people.map(({ tenantId, id }) => ({ tenantId, personId: id }));
  // One that was interrupted after its keys were made has them already.
  await personalData.keys.load(subjects);
  await personalData.keys.create(subjects.filter((subject) => personalData.keys.of(subject) === undefined));
  for (const { tenantId, id, name, externalId } of people) {
    const sealed = await personalData.changedIdentity({ tenantId, personId: id }, { name: name ?? '', externalId });
    await tx.execute(sql`
      UPDATE cloud.person SET name = NULL, external_id = NULL, sealed_name = ${bytes(sealed.sealedName)},
        sealed_external_id = ${bytes(sealed.sealedExternalId)}, external_id_index = ${bytes(sealed.externalIdIndex)},
        name_words = ${sql.param(sealed.nameWords ?? [])}::integer[]
      WHERE tenant_id = ${tenantId} AND id = ${id}`);
  }
  await sealTemplatesOf(tx, personalData, people);
  return people.length;
}

async function sealTemplatesOf(
  tx: Transaction,
  personalData: PersonalData,
  people: readonly PlainPerson[],
): Promise<void> {
  const { rows } = await tx.execute<PlainTemplate>(sql`
    SELECT t.tenant_id AS "tenantId", t.person_id AS "personId", t.id, t.data FROM cloud.template t
    JOIN unnest(${sql.param(people.map(({ tenantId }) => tenantId))}::text[],
      ${sql.param(people.map(({ id }) => id))}::uuid[]) AS of (tenant_id, person_id)
      ON t.tenant_id = of.tenant_id AND t.person_id = of.person_id
    WHERE t.sealed IS NULL`);
  const sealed = await personalData.sealTemplates(rows.map((row) => ({ ...row, data: new Uint8Array(row.data) })));
  if (sealed.length === 0) return;
  await tx.execute(sql`
    UPDATE cloud.template t SET data = NULL, sealed = new.sealed
    FROM unnest(${sql.param(sealed.map(({ tenantId }) => tenantId))}::text[],
      ${sql.param(sealed.map(({ id }) => id))}::uuid[],
      ${sql.param(sealed.map((row) => Buffer.from(row.sealed)))}::bytea[]) AS new (tenant_id, id, sealed)
    WHERE t.tenant_id = new.tenant_id AND t.id = new.id`);
}

const bytes = (value: Uint8Array | null | undefined): SQL =>
  value === null || value === undefined ? sql`NULL::bytea` : sql`${Buffer.from(value)}::bytea`;
