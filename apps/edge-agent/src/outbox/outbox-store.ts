import Database from 'libsql';

import { AppError, newStreamId, type SightingId, type StreamId } from '@sightline/kernel';

const FORMAT_VERSION = 1;

const SCHEMA = `
  CREATE TABLE stream (
    id TEXT NOT NULL,
    last_sequence INTEGER NOT NULL,
    acknowledged_through INTEGER NOT NULL,
    sent_through INTEGER NOT NULL
  );
  CREATE TABLE record (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL);
  CREATE TABLE open_sighting (sighting_id TEXT PRIMARY KEY, payload BLOB NOT NULL);
`;

/** A record to be stored. */
export interface NewRecord {
  /** An encoded RecordPayload. */
  readonly payload: Uint8Array;
  readonly sightingId: SightingId;
  /** Whether the sighting goes on after this record: then a next start closes it, should this process die. */
  readonly leavesOpen: boolean;
}

export interface StoredRecord {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** One transaction's work. */
export interface OutboxTransaction {
  readonly records: readonly NewRecord[];
  /** Records up to and including this sequence may go. */
  readonly acknowledgedThrough: number;
  /** Records up to and including this sequence were handed to the broker at least once. */
  readonly sentThrough: number;
}

interface StreamRow {
  readonly id: StreamId;
  readonly last_sequence: number;
  readonly acknowledged_through: number;
  readonly sent_through: number;
}

/**
 * The outbox's file: a libsql database in write-ahead mode that syncs at every commit. Its calls block for
 * the disk. The stream id is minted with the file; a sequence is assigned in the transaction that stores the
 * record, and is never used again, since the last one is kept apart from the records.
 *
 * Errors are SQLite's own; `outboxError` gives them a code.
 */
export class OutboxStore {
  readonly streamId: StreamId;
  readonly #database: Database.Database;
  #lastSequence: number;
  #acknowledgedThrough: number;
  #sentThrough: number;

  /**
   * Opens the file, or makes a new one with a new stream.
   *
   * @param maximumBytes the database never grows beyond it: more is refused as if the disk were full
   */
  constructor(path: string, maximumBytes: number) {
    this.#database = openDatabase(path, maximumBytes);
    const stream = this.#get('SELECT * FROM stream') as StreamRow;
    this.streamId = stream.id;
    this.#lastSequence = stream.last_sequence;
    this.#acknowledgedThrough = stream.acknowledged_through;
    this.#sentThrough = stream.sent_through;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  get acknowledgedThrough(): number {
    return this.#acknowledgedThrough;
  }

  get sentThrough(): number {
    return this.#sentThrough;
  }

  /**
   * Does all of it, durably, or nothing.
   *
   * @returns the sequences of the records, in their order
   */
  commit({ records, ...marks }: OutboxTransaction): readonly number[] {
    const acknowledgedThrough = Math.max(this.#acknowledgedThrough, marks.acknowledgedThrough);
    const sentThrough = Math.max(this.#sentThrough, marks.sentThrough);
    const first = this.#lastSequence + 1;
    const lastSequence = this.#lastSequence + records.length;
    this.#transaction(() => {
      // First, so that what goes makes room for what comes.
      this.#run('DELETE FROM record WHERE sequence <= ?', acknowledgedThrough);
      for (const [index, record] of records.entries()) this.#insert(first + index, record);
      this.#run(
        'UPDATE stream SET last_sequence = ?, acknowledged_through = ?, sent_through = ?',
        lastSequence,
        acknowledgedThrough,
        sentThrough,
      );
    });
    this.#lastSequence = lastSequence;
    this.#acknowledgedThrough = acknowledgedThrough;
    this.#sentThrough = sentThrough;
    return records.map((_, index) => first + index);
  }

  /** Stored records after a sequence, in order, at most `limit`. */
  pending(afterSequence: number, limit: number): readonly StoredRecord[] {
    const rows = this.#all(
      'SELECT sequence, payload FROM record WHERE sequence > ? ORDER BY sequence LIMIT ?',
      afterSequence,
      limit,
    ) as { readonly sequence: number; readonly payload: ArrayBuffer }[];
    return rows.map(({ sequence, payload }) => ({ sequence, payload: new Uint8Array(payload) }));
  }

  pendingCount(): number {
    return (this.#get('SELECT count(*) AS count FROM record') as { readonly count: number }).count;
  }

  /** The last stored state of every sighting that was left open, oldest first. */
  openSightings(): readonly Uint8Array[] {
    // Ids are time-ordered.
    const rows = this.#all('SELECT payload FROM open_sighting ORDER BY sighting_id') as {
      readonly payload: ArrayBuffer;
    }[];
    return rows.map(({ payload }) => new Uint8Array(payload));
  }

  close(): void {
    if (this.#database.open) this.#database.close();
  }

  #insert(sequence: number, { payload, sightingId, leavesOpen }: NewRecord): void {
    this.#run('INSERT INTO record (sequence, payload) VALUES (?, ?)', sequence, payload);
    if (leavesOpen) {
      this.#run('INSERT OR REPLACE INTO open_sighting (sighting_id, payload) VALUES (?, ?)', sightingId, payload);
    } else {
      this.#run('DELETE FROM open_sighting WHERE sighting_id = ?', sightingId);
    }
  }

  #transaction(work: () => void): void {
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

  #run(sql: string, ...values: readonly (string | number | Uint8Array)[]): void {
    this.#database.prepare(sql).run(values);
  }

  #get(sql: string): unknown {
    return this.#database.prepare(sql).get([]);
  }

  #all(sql: string, ...values: readonly number[]): unknown[] {
    return this.#database.prepare(sql).all(values);
  }
}

function openDatabase(path: string, maximumBytes: number): Database.Database {
  const database = new Database(path, { timeout: 5000 });
  try {
    const pragma = (text: string): unknown => Object.values(database.prepare(`PRAGMA ${text}`).get([]) ?? {})[0];
    pragma('journal_mode = WAL');
    pragma('synchronous = FULL');
    const pages = Math.max(16, Math.floor(maximumBytes / Number(pragma('page_size'))));
    pragma(`max_page_count = ${pages}`);
    const checked = pragma('quick_check');
    if (checked !== 'ok') throw new AppError('OUTBOX.CORRUPT', 'The outbox file is damaged.');
    const version = pragma('user_version');
    if (version === 0) {
      database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${FORMAT_VERSION}`);
      database.prepare('INSERT INTO stream VALUES (?, 0, 0, 0)').run([newStreamId()]);
      database.exec('COMMIT');
    } else if (version !== FORMAT_VERSION) {
      throw new AppError('OUTBOX.UNKNOWN_FORMAT', 'The outbox file was written by another version of the agent.');
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
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
