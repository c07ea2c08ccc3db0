import { AppError } from '@sightline/kernel';

import { SqliteFile, sqliteFailure } from '../storage/sqlite-file.js';

const FORMAT_VERSION = 1;

/** Names are keyed hashes of person ids: the file tells nobody's. */
const SCHEMA = `
  CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL);
  CREATE TABLE person (name BLOB PRIMARY KEY, sealed BLOB NOT NULL, contradictions INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE erasure (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, erasure_id TEXT NOT NULL, receipted INTEGER NOT NULL);
`;

/**
 * The local cache's file, in which what is deleted is overwritten with zeros. Errors have codes: `CACHE.CORRUPT`,
 * `CACHE.DISK_FULL`, `CACHE.UNAVAILABLE`.
 */
export class CacheDatabase {
  readonly #file: SqliteFile;

  constructor(path: string) {
    this.#file = coded(() => SqliteFile.open(path, prepare));
  }

  /** Does all of the work, durably, or nothing. */
  transaction(work: () => void): void {
    coded(() => this.#file.transaction(work));
  }

  /** After this, nothing that was deleted is left in the file or its log. */
  scrub(): void {
    coded(() => scrub(this.#file));
  }

  run(sql: string, ...values: readonly (string | number | Uint8Array)[]): void {
    this.#file.run(sql, ...values);
  }

  all(sql: string, ...values: readonly (string | number | Uint8Array)[]): unknown[] {
    return coded(() => this.#file.all(sql, ...values));
  }

  close(): void {
    if (!this.#file.isOpen) return;
    try {
      // Statements that were not collected yet would keep the log from being written back.
      this.scrub();
    } catch {
      // The log stays, and is read at the next start.
    }
    this.#file.close();
  }
}

function prepare(file: SqliteFile): void {
  if (file.pragma('secure_delete = ON') !== 1) {
    throw new AppError('CACHE.UNAVAILABLE', 'The file cannot be overwritten.');
  }
  if (!file.isSound) throw corrupt();
  const { version } = file;
  if (version === 0) file.migrate(FORMAT_VERSION, SCHEMA);
  else if (version !== FORMAT_VERSION) throw corrupt();
  // A process that was killed between a deletion and its scrubbing has left what was deleted in the log.
  scrub(file);
}

/** The pragma's first value: whether somebody else was in the way. */
function scrub(file: SqliteFile): void {
  if (file.pragma('wal_checkpoint(TRUNCATE)') === 0) return;
  throw new AppError('CACHE.UNAVAILABLE', 'Another process uses the local cache.');
}

function corrupt(cause?: unknown): AppError {
  return new AppError('CACHE.CORRUPT', 'The file of the local cache is damaged, or of another version.', { cause });
}

function coded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    switch (sqliteFailure(cause)) {
      case 'disk full':
        throw new AppError('CACHE.DISK_FULL', 'The disk is full: the local cache cannot be changed.', { cause });
      case 'damaged':
        throw corrupt(cause);
      case 'unavailable':
        throw new AppError('CACHE.UNAVAILABLE', 'The file of the local cache cannot be read or written.', { cause });
    }
  }
}
