import { hash, randomBytes } from 'node:crypto';

import type { PersonId, TenantId } from '@sightline/kernel';
import { openWithKey, sealWithKey } from '@sightline/template-protection';

import type { PersonKeyStore } from './person-key-store.js';

/** Whose data it is. */
export interface Subject {
  readonly tenantId: TenantId;
  readonly personId: PersonId;
}

/** One person's key, ready for use. */
export interface PersonKey extends Subject {
  readonly key: Uint8Array;
}

/** What the store knows of a person's key. */
export type KeyState = 'present' | 'destroyed' | 'unknown';

const idOf = ({ tenantId, personId }: Subject): string => `${tenantId}/${personId}`;
const nameOf = (subject: Subject): string => hash('sha256', `sightline/person/${idOf(subject)}`);
const contextOf = (name: string): string => `sightline/person-key/${name}`;

/** The keys of people, in the clear in this process's memory alone. */
export class PersonKeys {
  readonly #keys = new Map<string, PersonKey>();

  constructor(
    private readonly store: PersonKeyStore,
    private readonly keyEncryptionKey: Uint8Array,
  ) {}

  /** Makes keys for people who have none, durable once it resolves. */
  async create(subjects: readonly Subject[]): Promise<void> {
    const made = subjects.map((subject) => ({ ...subject, key: new Uint8Array(randomBytes(32)) }));
    await this.store.add(
      made.map((subject) => {
        const name = nameOf(subject);
        return { name, wrapped: sealWithKey(this.keyEncryptionKey, subject.key, contextOf(name)) };
      }),
    );
    for (const subject of made) this.#keys.set(idOf(subject), subject);
  }

  /** The keys of those who have one, by `{tenant}/{person}`: see {@link PersonKeys.of}. */
  async load(subjects: readonly Subject[]): Promise<void> {
    const unknown = new Map(
      subjects.filter((subject) => !this.#keys.has(idOf(subject))).map((subject) => [nameOf(subject), subject]),
    );
    if (unknown.size === 0) return;
    for (const [name, stored] of await this.store.get([...unknown.keys()])) {
      const subject = unknown.get(name);
      if (subject === undefined || stored === 'destroyed') continue;
      const key = openWithKey(this.keyEncryptionKey, stored, contextOf(name));
      this.#keys.set(idOf(subject), { ...subject, key });
    }
  }

  /** A key that was loaded or created; undefined when there is none (any more). */
  of(subject: Subject): PersonKey | undefined {
    return this.#keys.get(idOf(subject));
  }

  /** What the store itself says, whatever is in memory. */
  async states(subjects: readonly Subject[]): Promise<readonly KeyState[]> {
    const names = subjects.map(nameOf);
    const stored = await this.store.get(names);
    return names.map((name) => {
      const found = stored.get(name);
      if (found === undefined) return 'unknown';
      return found === 'destroyed' ? 'destroyed' : 'present';
    });
  }

  /** Destroys keys for good; safe to repeat. */
  async destroy(subjects: readonly Subject[]): Promise<void> {
    for (const subject of subjects) this.#keys.delete(idOf(subject));
    await this.store.destroy(subjects.map(nameOf));
  }

  /** Another process has destroyed a key, or may have destroyed any. */
  forget(subject: Subject | 'all'): void {
    if (subject === 'all') this.#keys.clear();
    else this.#keys.delete(idOf(subject));
    this.store.forget(subject === 'all' ? 'all' : [nameOf(subject)]);
  }
}
