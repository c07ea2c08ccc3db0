import { existsSync, rmSync } from 'node:fs';

import { isAppError, type Logger, type PersonId } from '@sightline/kernel';

import { emptyHead, type CacheHead } from './cache-head.js';
import type { CacheChange, CacheStore } from './cache-store.js';
import { HeldPeople } from './held-people.js';

/** Contradictions from which on somebody's templates should be looked at. */
const MANY_CONTRADICTIONS = 3;

/** What is asked of a store. */
export type OpenCacheStore = Pick<CacheStore, keyof CacheStore>;

export interface CacheContentOptions {
  readonly path: string;
  /** Opens the file at the path. */
  readonly openStore: (path: string) => OpenCacheStore;
  readonly log: Logger;
}

/**
 * The people who are held, on disk and in memory, which follows the disk. What cannot be read is thrown away: the
 * cloud has it all.
 */
export class CacheContent {
  readonly #options: CacheContentOptions;
  #store: OpenCacheStore | undefined;
  #people: HeldPeople | undefined;
  readonly #contradictions = new Map<PersonId, number>();
  /** An erasure could not be carried out: nothing of the file is read any more. */
  #mustGo = false;

  constructor(options: CacheContentOptions) {
    this.#options = options;
  }

  get head(): CacheHead {
    return this.#store?.head ?? emptyHead;
  }

  /** Undefined while nobody is held. */
  get people(): HeldPeople | undefined {
    return this.#people;
  }

  get isAvailable(): boolean {
    return this.#store !== undefined;
  }

  /** People whom the cloud contradicted the box about three times or more since their templates came. */
  get oftenContradicted(): number {
    return [...this.#contradictions.values()].filter((count) => count >= MANY_CONTRADICTIONS).length;
  }

  /** Whether nobody is held for certain, not even in a file that cannot be opened. */
  get isGone(): boolean {
    return this.#store ? this.#store.head.cacheId === '' : !existsSync(this.#options.path);
  }

  /** Opens the file, unless it is open: a damaged one, or one that another key sealed, is replaced. Never throws. */
  open(): void {
    if (this.#store) return;
    try {
      if (this.#mustGo) this.#deleteFile();
      try {
        this.#load();
      } catch (error) {
        if (!isAppError(error, 'CACHE.CORRUPT')) throw error;
        this.#options.log.error({ code: error.code }, 'the local cache does not open: thrown away, it begins anew');
        this.#deleteFile();
        this.#load();
      }
    } catch (error) {
      const code = isAppError(error) ? error.code : 'CACHE.UNAVAILABLE';
      this.#options.log.error({ code }, 'there is no local cache at the moment');
    }
  }

  wasErased(personId: string): boolean {
    return this.#store?.wasErased(personId) ?? false;
  }

  erasuresToReceipt(): readonly string[] {
    return this.#store?.erasuresToReceipt() ?? [];
  }

  receipted(erasureIds: readonly string[]): void {
    this.#store?.receipted(erasureIds);
  }

  /** The cloud decided otherwise than for this person. @returns how often it has */
  contradict(personId: PersonId): number {
    if (!this.#people?.has(personId)) return 0;
    const count = (this.#contradictions.get(personId) ?? 0) + 1;
    this.#contradictions.set(personId, count);
    this.#store?.contradict(personId);
    return count;
  }

  /**
   * Makes a change durable, and then so in memory. Where an erasure cannot be made durable the whole cache goes.
   *
   * @throws AppError `CACHE.DISK_FULL`, `CACHE.UNAVAILABLE`; then what is held is what the disk has, and of the
   *   erased nothing
   */
  apply(change: CacheChange): void {
    try {
      this.#store?.commit(change);
    } catch (error) {
      this.#forget();
      this.#mustGo = change.erasures.length > 0;
      this.open();
      if (change.erasures.length > 0) this.#rememberErasures(change);
      throw error;
    }
    this.#follow(change);
  }

  close(): void {
    this.#forget();
  }

  #load(): void {
    const store = this.#options.openStore(this.#options.path);
    try {
      const { belonging } = store.head;
      const stored = store.people();
      this.#people = belonging ? new HeldPeople(belonging) : undefined;
      for (const { person, contradictions } of stored) {
        this.#people?.put(person);
        if (contradictions > 0) this.#contradictions.set(person.personId as PersonId, contradictions);
      }
      this.#store = store;
    } catch (error) {
      this.#forgetPeople();
      store.close();
      throw error;
    }
  }

  #follow({ head, dropsPeople, removed, put }: CacheChange): void {
    if (dropsPeople) this.#forgetPeople();
    for (const personId of removed) this.#forgetPerson(personId as PersonId);
    if (!head.belonging || put.length === 0) return;
    // Nobody is left whom the newcomers would have to agree with.
    if (this.#people?.people === 0) this.#forgetPeople();
    this.#people ??= new HeldPeople(head.belonging);
    for (const person of put) {
      this.#contradictions.delete(person.personId as PersonId);
      this.#people.put(person);
    }
  }

  #forgetPerson(personId: PersonId): void {
    this.#people?.remove(personId);
    this.#contradictions.delete(personId);
  }

  #forgetPeople(): void {
    this.#people?.clear();
    this.#people = undefined;
    this.#contradictions.clear();
  }

  #forget(): void {
    this.#forgetPeople();
    this.#store?.close();
    this.#store = undefined;
  }

  #deleteFile(): void {
    for (const suffix of ['-wal', '-shm', '']) rmSync(this.#options.path + suffix, { force: true });
    this.#mustGo = false;
  }

  /** In the empty cache after an erasure that failed: an old message must not bring anybody back. */
  #rememberErasures({ erasures }: CacheChange): void {
    try {
      this.#store?.commit({ head: emptyHead, dropsPeople: true, removed: [], erasures, put: [] });
    } catch (error) {
      const code = isAppError(error) ? error.code : 'CACHE.UNAVAILABLE';
      this.#options.log.error({ code }, 'erasures cannot be written down');
    }
  }
}
