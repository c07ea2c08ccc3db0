import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { CachedPersonSchema, type CachedPerson } from '@sightline/contracts';
import { AppError, isAppError } from '@sightline/kernel';
import type { Sealer } from '@sightline/template-protection';
import { z } from 'zod';

import { CacheDatabase } from './cache-database.js';
import { cacheHeadSchema, emptyHead, type CacheHead } from './cache-head.js';

/** Erasures that are remembered once their receipts are out, so that no old message brings anybody back. */
const ERASURES_REMEMBERED = 10_000;
const DIGEST_BYTES = 32;

const storedHeadSchema = cacheHeadSchema.extend({ digest: z.string() });

/** One transaction's work. */
export interface CacheChange {
  readonly head: CacheHead;
  /** Whether everybody goes first. */
  readonly dropsPeople: boolean;
  readonly removed: readonly string[];
  /** The people of them are among the removed, or were never held. */
  readonly erasures: readonly Erasure[];
  readonly put: readonly CachedPerson[];
}

export interface Erasure {
  readonly personId: string;
  readonly erasureId: string;
}

export interface StoredPerson {
  readonly person: CachedPerson;
  /** How often the cloud decided otherwise when this person was named. */
  readonly contradictions: number;
}

/**
 * The local cache at rest: everything that says who somebody is, is sealed, person ids too. The head carries a digest
 * of all people, so that a file in which rows were exchanged, added or left out does not open.
 */
export class CacheStore {
  readonly #database: CacheDatabase;
  readonly #sealer: Sealer;
  #head: CacheHead;
  /** The exclusive or of the keyed hashes of all sealed people: changes with each of them, whatever the order. */
  #digest: Uint8Array;
  /** Names of the erased. */
  readonly #erased = new Set<string>();

  /**
   * Opens the file, or makes one.
   *
   * @throws AppError `CACHE.CORRUPT` (damaged, changed, or sealed with another key), `CACHE.DISK_FULL`,
   *   `CACHE.UNAVAILABLE`
   */
  constructor(path: string, sealer: Sealer) {
    this.#sealer = sealer;
    this.#database = new CacheDatabase(path);
    try {
      const { digest, ...head } = this.#readHead();
      this.#head = head;
      this.#digest = digest;
      const erased = this.#database.all('SELECT name FROM erasure') as { readonly name: ArrayBuffer }[];
      for (const { name } of erased) this.#erased.add(textOf(new Uint8Array(name)));
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  get head(): CacheHead {
    return this.#head;
  }

  /**
   * Everybody, and proof that it is everybody.
   *
   * @throws AppError `CACHE.CORRUPT`
   */
  people(): readonly StoredPerson[] {
    const digest = new Uint8Array(DIGEST_BYTES);
    const rows = this.#database.all('SELECT name, sealed, contradictions FROM person') as {
      readonly name: ArrayBuffer;
      readonly sealed: ArrayBuffer;
      readonly contradictions: number;
    }[];
    const people = rows.map(({ name, sealed, contradictions }) => {
      this.#mix(digest, new Uint8Array(sealed));
      const plain = this.#open(new Uint8Array(sealed), personContext(new Uint8Array(name)));
      return { person: fromBinary(CachedPersonSchema, plain), contradictions };
    });
    if (!Buffer.from(digest).equals(this.#digest))
      throw new AppError('CACHE.CORRUPT', 'People are missing or strange.');
    return people;
  }

  /** Whether somebody was erased here: they are never taken again. */
  wasErased(personId: string): boolean {
    return this.#erased.size > 0 && this.#erased.has(textOf(this.#sealer.name(personId)));
  }

  /** Erasures whose receipt the broker has not taken. */
  erasuresToReceipt(): readonly string[] {
    const rows = this.#database.all('SELECT erasure_id FROM erasure WHERE receipted = 0 ORDER BY id') as {
      readonly erasure_id: string;
    }[];
    return rows.map(({ erasure_id }) => erasure_id);
  }

  /**
   * Does all of it, durably, or nothing. What goes is overwritten before this returns.
   *
   * @throws AppError `CACHE.DISK_FULL`, `CACHE.UNAVAILABLE`: nothing was changed, or what was deleted may still be in
   *   the file's log
   */
  commit({ head, dropsPeople, removed, erasures, put }: CacheChange): void {
    const digest = dropsPeople ? new Uint8Array(DIGEST_BYTES) : Uint8Array.from(this.#digest);
    let deletes = dropsPeople;
    this.#database.transaction(() => {
      if (dropsPeople) this.#database.run('DELETE FROM person');
      for (const personId of removed) deletes = this.#remove(this.#sealer.name(personId), digest) || deletes;
      for (const erasure of erasures) this.#remember(erasure);
      for (const person of put) deletes = this.#put(person, digest) || deletes;
      const stored = { ...head, digest: Buffer.from(digest).toString('hex') };
      const sealed = this.#sealer.seal(Buffer.from(JSON.stringify(stored), 'utf8'), HEAD_CONTEXT);
      this.#database.run('INSERT OR REPLACE INTO head (id, sealed) VALUES (1, ?)', sealed);
    });
    this.#head = head;
    this.#digest = digest;
    for (const { personId } of erasures) this.#erased.add(textOf(this.#sealer.name(personId)));
    if (deletes) this.#database.scrub();
  }

  /** The broker has taken the receipts. */
  receipted(erasureIds: readonly string[]): void {
    if (erasureIds.length === 0) return;
    this.#database.transaction(() => {
      for (const id of erasureIds) this.#database.run('UPDATE erasure SET receipted = 1 WHERE erasure_id = ?', id);
      this.#database.run(
        'DELETE FROM erasure WHERE receipted = 1 AND id <= (SELECT max(id) FROM erasure) - ?',
        ERASURES_REMEMBERED,
      );
    });
  }

  /** The cloud decided otherwise once more. */
  contradict(personId: string): void {
    this.#database.transaction(() =>
      this.#database.run(
        'UPDATE person SET contradictions = contradictions + 1 WHERE name = ?',
        this.#sealer.name(personId),
      ),
    );
  }

  close(): void {
    this.#database.close();
  }

  #readHead(): CacheHead & { readonly digest: Uint8Array } {
    const [row] = this.#database.all('SELECT sealed FROM head') as { readonly sealed: ArrayBuffer }[];
    if (!row) return { ...emptyHead, digest: new Uint8Array(DIGEST_BYTES) };
    const plain: unknown = JSON.parse(Buffer.from(this.#open(new Uint8Array(row.sealed), HEAD_CONTEXT)).toString());
    const parsed = storedHeadSchema.safeParse(plain);
    if (!parsed.success) throw new AppError('CACHE.CORRUPT', 'The head of the local cache is of another version.');
    return { ...parsed.data, digest: new Uint8Array(Buffer.from(parsed.data.digest, 'hex')) };
  }

  #remove(name: Uint8Array, digest: Uint8Array): boolean {
    const [row] = this.#database.all('SELECT sealed FROM person WHERE name = ?', name) as {
      readonly sealed: ArrayBuffer;
    }[];
    if (!row) return false;
    this.#mix(digest, new Uint8Array(row.sealed));
    this.#database.run('DELETE FROM person WHERE name = ?', name);
    return true;
  }

  #put(person: CachedPerson, digest: Uint8Array): boolean {
    const name = this.#sealer.name(person.personId);
    const replaced = this.#remove(name, digest);
    const sealed = this.#sealer.seal(toBinary(CachedPersonSchema, person), personContext(name));
    this.#mix(digest, sealed);
    this.#database.run('INSERT INTO person (name, sealed) VALUES (?, ?)', name, sealed);
    return replaced;
  }

  #remember({ personId, erasureId }: Erasure): void {
    this.#database.run(
      'INSERT OR REPLACE INTO erasure (name, erasure_id, receipted) VALUES (?, ?, 0)',
      this.#sealer.name(personId),
      erasureId,
    );
  }

  #mix(digest: Uint8Array, sealed: Uint8Array): void {
    this.#sealer.name(textOf(sealed)).forEach((byte, index) => {
      digest[index] = (digest[index] ?? 0) ^ byte;
    });
  }

  #open(sealed: Uint8Array, context: string): Uint8Array {
    try {
      return this.#sealer.open(sealed, context);
    } catch (cause) {
      if (!isAppError(cause, 'SEALING.BROKEN')) throw cause;
      throw new AppError('CACHE.CORRUPT', 'The local cache was changed, or sealed with another key.', { cause });
    }
  }
}

const HEAD_CONTEXT = 'head';

function personContext(name: Uint8Array): string {
  return `person/${textOf(name)}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
