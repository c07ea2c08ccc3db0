import type { Database } from '@sightline/database';
import { AppError, newPersonId, type Logger, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import { openWithKey, sealWithKey, type Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';
import { z } from 'zod';

import type { CloudApiConfig } from '../config.js';
import { CONFIG, DATABASE, KEY_STORE, LOGGER } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { person } from '../storage/schema.js';
import { BlindIndex, wordsOf } from './blind-index.js';
import type { PersonKeyStore } from './person-key-store.js';
import { PersonKeys, type Subject } from './person-keys.js';

export interface Identity {
  readonly name: string;
  readonly externalId: string | null;
}

/** The columns of `cloud.person` that an identity lies in. */
export interface SealedIdentity {
  readonly sealedName: Uint8Array;
  readonly sealedExternalId: Uint8Array | null;
  readonly externalIdIndex: Uint8Array | null;
  readonly nameWords: number[];
}

/** A row of `cloud.person`, as far as an identity goes. */
export interface IdentityRow {
  readonly tenantId: TenantId;
  readonly id: PersonId;
  readonly sealedName: Uint8Array;
  readonly sealedExternalId: Uint8Array | null;
}

/** What {@link PersonalData.openIdentities} needs of `cloud.person`. */
export const identityColumns = {
  tenantId: person.tenantId,
  id: person.id,
  sealedName: person.sealedName,
  sealedExternalId: person.sealedExternalId,
};

/** A template's bytes with whose they are. */
export interface OwnedTemplate {
  readonly tenantId: TenantId;
  readonly personId: PersonId;
  readonly id: TemplateId;
}

const destroyedSchema = z.tuple([z.string(), z.string()]);

type Context = 'name' | 'external-id' | `template/${string}` | `consent/${string}` | `image/${string}`;
const contextOf = ({ tenantId, personId }: Subject, context: Context): string =>
  `sightline/person/${tenantId}/${personId}/${context}`;
const subjectOf = ({ tenantId, id }: { readonly tenantId: TenantId; readonly id: PersonId }): Subject => ({
  tenantId,
  personId: id,
});

/**
 * Seals what says who somebody is, or shows their face, with a key of that person alone (AES-256-GCM), and opens it.
 * The keys lie in the key store; without a person's key nothing that was sealed for them can be read, here or in any
 * backup. Names and templates are nowhere else in PostgreSQL.
 *
 * Invariant: a key is durable before anything that was sealed with it is stored.
 */
@Injectable()
export class PersonalData {
  readonly keys: PersonKeys;
  readonly index: BlindIndex;

  constructor(
    @Inject(KEY_STORE) private readonly store: PersonKeyStore,
    @Inject(CONFIG) { keyEncryptionKey }: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(DATABASE) private readonly database: Database,
    notifications: Notifications,
  ) {
    this.keys = new PersonKeys(this.store, keyEncryptionKey);
    this.index = new BlindIndex(keyEncryptionKey, this.store.header.salt);
    notifications.on('cloud_personal_data', {
      notified: (payload) => {
        const [tenantId, personId] = destroyedSchema.parse(JSON.parse(payload));
        this.keys.forget({ tenantId: tenantId as TenantId, personId: personId as PersonId });
      },
      reconnected: () => this.keys.forget('all'),
    });
  }

  /** Which store it is: rows that were sealed with another one do not open. */
  get keyStore(): { readonly id: string; readonly kind: PersonKeyStore['kind'] } {
    return { id: this.store.header.id, kind: this.store.kind };
  }

  /** Destroys a person's key for good, here and in every other process. Safe to repeat. */
  async destroyKey(subject: Subject): Promise<void> {
    await this.keys.destroy([subject]);
    const destroyed = JSON.stringify([subject.tenantId, subject.personId]);
    await this.database.db.execute(sql`SELECT pg_notify('cloud_personal_data', ${destroyed})`);
  }

  /**
   * New people: ids, keys that are durable already, and sealed columns, to be inserted. Ids are never given twice: an
   * erased person's is dead for ever.
   *
   * @throws AppError `KEY_STORE.UNAVAILABLE` (retryable)
   */
  async newPeople(
    tenantId: TenantId,
    identities: readonly Identity[],
  ): Promise<readonly (SealedIdentity & { readonly id: PersonId; readonly tenantId: TenantId })[]> {
    const people = identities.map((identity) => ({ subject: { tenantId, personId: newPersonId() }, identity }));
    await this.keys.create(people.map(({ subject }) => subject));
    return people.map(({ subject, identity }) => ({
      ...{ tenantId, id: subject.personId },
      ...this.#sealIdentity(subject, identity),
    }));
  }

  /**
   * The columns of somebody's new name or external id, as far as they change.
   *
   * @throws AppError `PERSON.NOT_FOUND` once their key was destroyed
   */
  async changedIdentity(
    subject: Subject,
    changes: { readonly [Field in keyof Identity]?: Identity[Field] | undefined },
  ): Promise<Partial<SealedIdentity>> {
    const { name, externalId } = changes;
    if (name === undefined && externalId === undefined) return {};
    await this.keys.load([subject]);
    return {
      ...(name !== undefined && this.#sealedName(subject, name)),
      ...(externalId !== undefined && this.#sealedExternalId(subject, externalId)),
    };
  }

  /** Identities by person id; whoever's key was destroyed, or whose row was changed, is left out. */
  async openIdentities(rows: readonly IdentityRow[]): Promise<ReadonlyMap<PersonId, Identity>> {
    await this.keys.load(rows.map(subjectOf));
    return new Map(
      rows.flatMap((row) => {
        const name = this.#openText(subjectOf(row), row.sealedName, 'name');
        if (name === undefined) return [];
        const { sealedExternalId } = row;
        const externalId =
          sealedExternalId === null ? null : (this.#openText(subjectOf(row), sealedExternalId, 'external-id') ?? null);
        return [[row.id, { name, externalId }] as const];
      }),
    );
  }

  /** Whether every word that is searched for is one of the name's. */
  matchesWords(name: string, searched: string): boolean {
    const words = new Set(wordsOf(name));
    return wordsOf(searched).every((word) => words.has(word));
  }

  /**
   * Seals template bytes; each result replaces its row's `data` by `sealed`.
   *
   * @throws AppError `PERSON.NOT_FOUND` once a person's key was destroyed
   */
  async sealTemplates<Row extends OwnedTemplate & { readonly data: Uint8Array }>(
    rows: readonly Row[],
  ): Promise<readonly (Omit<Row, 'data'> & { readonly sealed: Uint8Array })[]> {
    await this.keys.load(rows);
    return rows.map(({ data, ...row }) => ({ ...row, sealed: this.#seal(row, data, `template/${row.id}`) }));
  }

  /** Opens template bytes, in the order of the rows; undefined where the key was destroyed or the row changed. */
  async openTemplates<Row extends OwnedTemplate & { readonly sealed: Uint8Array }>(
    rows: readonly Row[],
  ): Promise<readonly ((Omit<Row, 'sealed'> & Pick<Template, 'data'>) | undefined)[]> {
    await this.keys.load(rows);
    return rows.map(({ sealed, ...row }) => {
      const data = this.#open(row, sealed, `template/${row.id}`);
      return data && { ...row, data };
    });
  }

  /**
   * Seals a text about somebody.
   *
   * @throws AppError `PERSON.NOT_FOUND` once their key was destroyed
   */
  async sealText(subject: Subject, context: Context, text: string): Promise<Uint8Array> {
    await this.keys.load([subject]);
    return this.#seal(subject, Buffer.from(text, 'utf8'), context);
  }

  /** Undefined where the key was destroyed or the text changed. */
  async openText(subject: Subject, context: Context, sealed: Uint8Array): Promise<string | undefined> {
    await this.keys.load([subject]);
    return this.#openText(subject, sealed, context);
  }

  #sealIdentity(subject: Subject, { name, externalId }: Identity): SealedIdentity {
    return { ...this.#sealedName(subject, name), ...this.#sealedExternalId(subject, externalId) };
  }

  #sealedName(subject: Subject, name: string): Pick<SealedIdentity, 'sealedName' | 'nameWords'> {
    return {
      sealedName: this.#seal(subject, Buffer.from(name, 'utf8'), 'name'),
      nameWords: [...this.index.words(subject.tenantId, name)],
    };
  }

  #sealedExternalId(
    subject: Subject,
    externalId: string | null,
  ): Pick<SealedIdentity, 'sealedExternalId' | 'externalIdIndex'> {
    if (externalId === null) return { sealedExternalId: null, externalIdIndex: null };
    return {
      sealedExternalId: this.#seal(subject, Buffer.from(externalId, 'utf8'), 'external-id'),
      externalIdIndex: this.index.externalId(subject.tenantId, externalId),
    };
  }

  #seal(subject: Subject, plain: Uint8Array, context: Context): Uint8Array {
    const found = this.keys.of(subject);
    if (found === undefined) throw new AppError('PERSON.NOT_FOUND', 'There is no person with this id.');
    return sealWithKey(found.key, plain, contextOf(subject, context));
  }

  #open(subject: Subject, sealed: Uint8Array, context: Context): Uint8Array | undefined {
    const found = this.keys.of(subject);
    if (found === undefined) return undefined;
    try {
      return openWithKey(found.key, sealed, contextOf(subject, context));
    } catch {
      // One row that was changed must not keep all others from being read.
      this.log.error({ ...subject, context }, 'what was sealed for a person does not open');
      return undefined;
    }
  }

  #openText(subject: Subject, sealed: Uint8Array, context: Context): string | undefined {
    const plain = this.#open(subject, sealed, context);
    return plain && Buffer.from(plain).toString('utf8');
  }
}
