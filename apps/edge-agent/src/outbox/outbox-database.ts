import Database from 'libsql';

import { AppError, newStreamId } from '@sightline/kernel';

const FORMAT_VERSION = 2;

const SCHEMA = `
  CREATE TABLE stream (
    id TEXT NOT NULL,
    last_sequence INTEGER NOT NULL,
    acknowledged_through INTEGER NOT NULL,
    sent_through INTEGER NOT NULL
  );
  -- A gap is a record, too: it stands at its last sequence, with its first one and how many of them were lost.
  CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    first_sequence INTEGER,
    lost INTEGER
  );
  CREATE INDEX record_gap ON record (sequence) WHERE first_sequence IS NOT NULL;
  -- sequence: of the sighting's latest record.
  CREATE TABLE open_sighting (sighting_id TEXT PRIMARY KEY, payload BLOB NOT NULL, sequence INTEGER);
  -- Records of sightings of which a later revision is stored.
  CREATE TABLE superseded (sequence INTEGER PRIMARY KEY);
`;

/** From the format that knew no gaps. */
const FROM_VERSION_1 = `
  ALTER TABLE record ADD COLUMN first_sequence INTEGER;
  ALTER TABLE record ADD COLUMN lost INTEGER;
  CREATE INDEX record_gap ON record (sequence) WHERE first_sequence IS NOT NULL;
  ALTER TABLE open_sighting ADD COLUMN sequence INTEGER;
  CREATE TABLE superseded (sequence INTEGER PRIMARY KEY);
`;

/** The write-ahead log is cut back to so much after a checkpoint, bytes. It stands beside the bound of the file. */
const JOURNAL_BYTES = 4 * 1024 * 1024;

type Value = string | number | Uint8Array | null;

/** A thin view of libsql, on which every value is bound. */
export class OutboxDatabase {
  readonly #database: Database.Database;
  /** Prepared once: it takes longer than most of them run. */
  readonly #statements = new Map<string, Database.Statement>();
  readonly pageBytes: number;

  /**
   * Opens the file in write-ahead mode, synchronised at every commit, or makes a new one with a new stream.
   *
   * @param maximumBytes the file never grows beyond it: more is refused as if the disk were full
   * @throws SQLite's own errors; AppError `OUTBOX.CORRUPT`, `OUTBOX.UNKNOWN_FORMAT`
   */
  constructor(path: string, maximumBytes: number) {
    this.#database = new Database(path, { timeout: 5000 });
    try {
      this.#pragma('journal_mode = WAL');
      this.#pragma('synchronous = FULL');
      this.#pragma(`journal_size_limit = ${JOURNAL_BYTES}`);
      this.pageBytes = Number(this.#pragma('page_size'));
      this.#pragma(`max_page_count = ${Math.max(16, Math.floor(maximumBytes / this.pageBytes))}`);
      const checked = this.#pragma('quick_check');
      if (checked !== 'ok') throw new AppError('OUTBOX.CORRUPT', 'The outbox file is damaged.');
      this.#migrate();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Bytes of the file that hold something; what was freed is used again before the file grows. */
  get usedBytes(): number {
    return (Number(this.#pragma('page_count')) - Number(this.#pragma('freelist_count'))) * this.pageBytes;
  }

  /** Does all of the work, durably, or nothing. */
  transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // On a full disk SQLite has rolled back by itself.
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  run(sql: string, ...values: readonly Value[]): void {
    this.#prepared(sql).run(values);
  }

  get(sql: string, ...values: readonly Value[]): unknown {
    return this.#prepared(sql).get(values);
  }

  all(sql: string, ...values: readonly Value[]): unknown[] {
    return this.#prepared(sql).all(values);
  }

  close(): void {
    if (this.#database.open) this.#database.close();
  }

  #prepared(sql: string): Database.Statement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #pragma(text: string): unknown {
    return Object.values(this.#database.prepare(`PRAGMA ${text}`).get([]) ?? {})[0];
  }

  #migrate(): void {
    const version = this.#pragma('user_version');
    const stamp = `PRAGMA user_version = ${FORMAT_VERSION}`;
    if (version === 0) {
      this.transaction(() => {
        this.#database.exec(`${SCHEMA} ${stamp}`);
        this.run('INSERT INTO stream VALUES (?, 0, 0, 0)', newStreamId());
      });
    } else if (version === 1) {
      this.transaction(() => this.#database.exec(`${FROM_VERSION_1} ${stamp}`));
    } else if (version !== FORMAT_VERSION) {
      throw new AppError('OUTBOX.UNKNOWN_FORMAT', 'The outbox file was written by another version of the agent.');
    }
  }
}

/** Gives an error of the store its code. */
export function outboxError(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  if (code === 'SQLITE_FULL') {
    return new AppError('OUTBOX.DISK_FULL', 'The disk is full: the outbox cannot store records.', {
      retryable: true,
      cause,
    });
  }
  // A short read: the file ends before its own last page.
  if (/^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(code)) {
    return new AppError('OUTBOX.CORRUPT', 'The outbox file is damaged.', { cause });
  }
  return new AppError('OUTBOX.UNAVAILABLE', 'The outbox file cannot be read or written.', { retryable: true, cause });
}
