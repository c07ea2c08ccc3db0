/** What is found under a name: a wrapped key, or that it was destroyed. */
export type StoredKey = Uint8Array | 'destroyed';

export interface NamedKey {
  /** 64 hexadecimal digits. */
  readonly name: string;
  /** 60 bytes, as `sealWithKey` makes them of a key. */
  readonly wrapped: Uint8Array;
}

/** What a store says of itself. */
export interface KeyStoreHeader {
  /** UUID. The database remembers which store its rows were sealed with. */
  readonly id: string;
  /** 32 random bytes that search indexes are keyed with, together with the key-encryption key. */
  readonly salt: Uint8Array;
  /** Something known under the key-encryption key: shows a wrong one before it does harm. */
  readonly check: Uint8Array;
}

/**
 * Where the keys lie that names and templates are sealed with: outside of the database, its write-ahead log and its
 * backups, so that to destroy a key here is to destroy there what it sealed. Several processes use one store at once.
 *
 * Not in it: whose a key is (names are digests), how keys are wrapped, any memory of keys in the clear.
 */
export interface PersonKeyStore {
  readonly kind: 'directory' | 'postgresql';
  readonly header: KeyStoreHeader;
  /**
   * Keeps new keys: once it resolves they survive a power cut. A name is given once.
   *
   * @throws AppError `KEY_STORE.UNAVAILABLE` (retryable)
   */
  add(keys: readonly NamedKey[]): Promise<void>;
  /**
   * What is known of names; a name that never had a key is absent.
   *
   * @throws AppError `KEY_STORE.UNAVAILABLE` (retryable)
   */
  get(names: readonly string[]): Promise<ReadonlyMap<string, StoredKey>>;
  /**
   * Overwrites keys for good, and remembers that there were any. Safe to repeat; a name without a key is marked too.
   *
   * @throws AppError `KEY_STORE.UNAVAILABLE` (retryable)
   */
  destroy(names: readonly string[]): Promise<void>;
  /** Another process may have destroyed these, or any: what is remembered of them is read anew. */
  forget(names: readonly string[] | 'all'): void;
  close(): Promise<void>;
}

/** Makes the header of a new store. */
export type NewHeader = () => KeyStoreHeader;
