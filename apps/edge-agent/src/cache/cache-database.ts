import { chmodSync, closeSync, openSync } from 'node:fs';

import Database from 'libsql';

import { AppError } from '@sightline/kernel';

const FORMAT_VERSION = 1;

/** Names are keyed hashes of person ids: the file tells nobody's. */
const SCHEMA = `
  CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL);
  CREATE TABLE person (name BLOB PRIMARY KEY, sealed BLOB NOT NULL, contradictions INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE erasure (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, erasure_id TEXT NOT NULL, receipted INTEGER NOT NULL);
`;

/**
 * The local cache's file: a libsql database in write-ahead mode that synchronises at every commit, and that
 * overwrites what is deleted with zeros. Errors have codes: `CACHE.CORRUPT`, `CACHE.DISK_FULL`, `CACHE.UNAVAILABLE`.
 */
export class CacheDatabase {
  readonly #database: Database.Database;
  /** Preparing one takes longer than running it. */
  readonly #statements = new Map<string, Database.Statement>();

  constructor(path: string) {
    this.#database = coded(() => {
      // Nobody else reads it; the log gets the file's own permissions.
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      return new Database(path, { timeout: 5000 });
    });
    try {
      coded(() => this.#prepare());
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Does all of the work, durably, or nothing. */
  transaction(work: () => void): void {
    coded(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        work();
        this.#database.exec('COMMIT');
      } catch (error) {
        // On a full disk SQLite has rolled back by itself.
        if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** After this, nothing that was deleted is left in the file or its log. */
  scrub(): void {
    const { busy } = coded(() => this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get([])) as {
      readonly busy: number;
    };
    if (busy !== 0) throw new AppError('CACHE.UNAVAILABLE', 'Another process uses the local cache.');
  }

  run(sql: string, ...values: readonly (string | number | Uint8Array)[]): void {
    this.#statement(sql).run(values);
  }

  all(sql: string, ...values: readonly (string | number | Uint8Array)[]): unknown[] {
    return coded(() => this.#statement(sql).all(values));
  }

  close(): void {
    if (!this.#database.open) return;
    try {
      // Statements that were not collected yet would keep the log from being written back.
      this.scrub();
    } catch {
      // The log stays, and is read at the next start.
    }
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(): void {
    this.#pragma('journal_mode = WAL');
    this.#pragma('synchronous = FULL');
    this.#pragma('secure_delete = ON');
    if (this.#pragma('secure_delete') !== 1) throw new AppError('CACHE.UNAVAILABLE', 'The file cannot be overwritten.');
    if (this.#pragma('quick_check') !== 'ok') throw corrupt();
    const version = this.#pragma('user_version');
    if (version === 0) {
      this.transaction(() => this.#database.exec(`${SCHEMA} PRAGMA user_version = ${FORMAT_VERSION}`));
    } else if (version !== FORMAT_VERSION) {
      throw corrupt();
    }
    // A process that was killed between a deletion and its scrubbing has left what was deleted in the log.
    this.scrub();
  }

  #statement(sql: string): Database.Statement {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #pragma(text: string): unknown {
    return Object.values(this.#database.prepare(`PRAGMA ${text}`).get([]) ?? {})[0];
  }
}

function corrupt(cause?: unknown): AppError {
  return new AppError('CACHE.CORRUPT', 'The file of the local cache is damaged, or of another version.', { cause });
}

function coded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
    if (code === 'SQLITE_FULL') {
      throw new AppError('CACHE.DISK_FULL', 'The disk is full: the local cache cannot be changed.', { cause });
    }
    // A short read: the file ends before its own last page.
    if (/^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(code)) throw corrupt(cause);
    throw new AppError('CACHE.UNAVAILABLE', 'The file of the local cache cannot be read or written.', { cause });
  }
}
