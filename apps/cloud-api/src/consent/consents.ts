import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { lockPerson } from '../people/person-store.js';
import { PersonalData } from '../personal-data/personal-data.js';
import type { Subject } from '../personal-data/person-keys.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { consent, consentPolicy } from '../storage/privacy-schema.js';
import { person } from '../storage/schema.js';
import { applyPermission, readPolicy } from './permissions.js';

type ConsentRow = typeof consent.$inferSelect;

/** Purposes and legal bases of people, and what follows from them. */
@Injectable()
export class Consents {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly audit: Audit,
  ) {}

  /** @throws AppError `PERSON.NOT_FOUND` */
  async list(subject: Subject): Promise<rest.Consents> {
    const { db } = this.database;
    const [found] = await db
      .select({ permitted: person.purposes })
      .from(person)
      .where(and(eq(person.tenantId, subject.tenantId), eq(person.id, subject.personId)));
    if (found === undefined) throw new AppError('PERSON.NOT_FOUND', 'There is no person with this id.');
    const rows = await db.select().from(consent).where(isOf(subject)).orderBy(desc(consent.givenAt), desc(consent.id));
    return { permitted: found.permitted, consents: await Promise.all(rows.map((row) => this.#view(row))) };
  }

  /**
   * Records on what basis somebody may be matched for a purpose. It counts at once, or from `givenAt` on.
   *
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`
   */
  async record(subject: Subject, given: rest.RecordConsent): Promise<rest.Consent> {
    const id = randomUUID();
    const now = this.#now();
    const { evidence } = given;
    const row: ConsentRow = {
      ...{ ...subject, id, purpose: given.purpose, legalBasis: given.legalBasis, withdrawnAt: null, recordedAt: now },
      givenAt: given.givenAt === undefined ? now : new Date(given.givenAt),
      expiresAt: given.expiresAt == null ? null : new Date(given.expiresAt),
      sealedEvidence:
        evidence === undefined ? null : await this.personalData.sealText(subject, `consent/${id}`, evidence),
    };
    await this.#change(subject, now, async (tx) => {
      await tx.insert(consent).values(row);
      return { action: 'consent.record', id };
    });
    return this.#view(row);
  }

  /**
   * Ends a consent, for good: what comes after it is another. Safe to repeat.
   *
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`, `CONSENT.NOT_FOUND`
   */
  async withdraw(subject: Subject, id: string): Promise<rest.Consent> {
    const now = this.#now();
    const isThis = and(isOf(subject), eq(consent.id, id));
    await this.#change(subject, now, async (tx) => {
      const [found] = await tx.select({ id: consent.id }).from(consent).where(isThis);
      if (found === undefined) throw new AppError('CONSENT.NOT_FOUND', 'The person has no consent with this id.');
      await tx
        .update(consent)
        .set({ withdrawnAt: now })
        .where(and(isThis, isNull(consent.withdrawnAt)));
      return { action: 'consent.withdraw', id };
    });
    const [row] = await this.database.db.select().from(consent).where(isThis);
    if (row === undefined) throw new AppError('CONSENT.NOT_FOUND', 'The person has no consent with this id.');
    return this.#view(row);
  }

  async policy(tenantId: TenantId): Promise<rest.ConsentPolicy> {
    return { required: [...(await readPolicy(this.database.db, tenantId))] };
  }

  /** Everybody is judged anew by the next job, and newcomers at once. */
  async setPolicy(tenantId: TenantId, policy: rest.ConsentPolicy): Promise<rest.ConsentPolicy> {
    const changedAt = this.#now();
    const required = [...new Set(policy.required)].sort();
    await inTransaction(this.database, async (tx) => {
      await tx
        .insert(consentPolicy)
        .values({ tenantId, required, changedAt })
        .onConflictDoUpdate({ target: consentPolicy.tenantId, set: { required, changedAt } });
      await tx.execute(sql`UPDATE cloud.person SET purposes_change_at = ${changedAt} WHERE tenant_id = ${tenantId}`);
      await this.audit.record(tx, { tenantId, action: 'consent.policy' });
    });
    return { required };
  }

  async #change(
    subject: Subject,
    now: Date,
    change: (tx: Transaction) => Promise<{ readonly action: `consent.${string}`; readonly id: string }>,
  ): Promise<void> {
    const { tenantId, personId } = subject;
    await inTransaction(this.database, async (tx) => {
      // One change of a person's records at a time: what they come to is the last one's.
      await lockPerson(tx, subject, 'update');
      const { action, id } = await change(tx);
      await applyPermission(tx, { tenantId, personIds: [personId], now });
      await this.audit.record(tx, { tenantId, action, subject: { kind: 'consent', id } });
    });
  }

  async #view(row: ConsentRow): Promise<rest.Consent> {
    const { id, purpose, legalBasis, givenAt, expiresAt, withdrawnAt, sealedEvidence, recordedAt } = row;
    const evidence =
      sealedEvidence && ((await this.personalData.openText(row, `consent/${id}`, sealedEvidence)) ?? null);
    return {
      ...{ id, purpose, legalBasis, evidence, givenAt: givenAt.toISOString(), recordedAt: recordedAt.toISOString() },
      ...{ expiresAt: expiresAt?.toISOString() ?? null, withdrawnAt: withdrawnAt?.toISOString() ?? null },
    };
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const isOf = ({ tenantId, personId }: { readonly tenantId: TenantId; readonly personId: PersonId }) =>
  and(eq(consent.tenantId, tenantId), eq(consent.personId, personId));
