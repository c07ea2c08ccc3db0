import { chmodSync, closeSync, openSync } from 'node:fs';

import Database from 'libsql';

type Value = string | number | Uint8Array | null;

/** Why SQLite refuses: of these only `damaged` does not pass by itself. */
export type SqliteFailure = 'disk full' | 'damaged' | 'unavailable';

/**
 * A SQLite file of the box: in write-ahead mode, synchronised at every commit, closed to other users. Every value
 * is bound. Errors are SQLite's own; {@link sqliteFailure} tells them apart.
 */
export class SqliteFile {
  readonly #database: Database.Database;
  /** Prepared once: it takes longer than most of them run. */
  readonly #statements = new Map<string, Database.Statement>();

  private constructor(path: string) {
    // Before SQLite does: the log gets the file's own permissions.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    this.#database = new Database(path, { timeout: 5000 });
  }

  /** @param prepare makes a new file's tables, and refuses an unknown one: what it throws closes the file */
  static open(path: string, prepare: (file: SqliteFile) => void): SqliteFile {
    const file = new SqliteFile(path);
    try {
      file.pragma('journal_mode = WAL');
      file.pragma('synchronous = FULL');
      prepare(file);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#database.open;
  }

  /** Whether its pages are what SQLite wrote. */
  get isSound(): boolean {
    return this.pragma('quick_check') === 'ok';
  }

  /** Of its format; 0 when it is new. */
  get version(): number {
    return Number(this.pragma('user_version'));
  }

  get pageBytes(): number {
    return Number(this.pragma('page_size'));
  }

  /** Bytes of the file that hold something; what was freed is used again before the file grows. */
  get usedBytes(): number {
    return (Number(this.pragma('page_count')) - Number(this.pragma('freelist_count'))) * this.pageBytes;
  }

  /** Changes the tables, and says so, in one transaction. */
  migrate(version: number, sql: string, work: () => void = () => undefined): void {
    this.transaction(() => {
      this.#database.exec(`${sql} PRAGMA user_version = ${version}`);
      work();
    });
  }

  /** Does all of the work, durably, or nothing. */
  transaction<Result>(work: () => Result): Result {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // On a full disk SQLite has rolled back by itself.
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** @returns how many rows it changed */
  run(sql: string, ...values: readonly Value[]): number {
    return this.#prepared(sql).run(values).changes;
  }

  get(sql: string, ...values: readonly Value[]): unknown {
    return this.#prepared(sql).get(values);
  }

  all(sql: string, ...values: readonly Value[]): unknown[] {
    return this.#prepared(sql).all(values);
  }

  /** @returns the first value that it answers */
  pragma(text: string): unknown {
    return Object.values(this.#database.prepare(`PRAGMA ${text}`).get([]) ?? {})[0];
  }

  close(): void {
    this.#statements.clear();
    if (this.isOpen) this.#database.close();
  }

  #prepared(sql: string): Database.Statement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

export function sqliteFailure(cause: unknown): SqliteFailure {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') return 'disk full';
  // A short read: the file ends before its own last page.
  return /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(code) ? 'damaged' : 'unavailable';
}
