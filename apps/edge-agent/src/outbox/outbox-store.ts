import type { SightingId, StreamId } from '@sightline/kernel';

import type { SqliteFile } from '../storage/sqlite-file.js';
import { insertGap, makeRoom, type Dropped } from './make-room.js';
import { openOutboxDatabase } from './outbox-database.js';

/** A record to be stored. */
export interface NewRecord {
  /** An encoded RecordPayload. */
  readonly payload: Uint8Array;
  /** Absent where the record is of no sighting. */
  readonly sightingId?: SightingId;
  /** Whether the sighting goes on after this record: then a next start closes it, should this process die. */
  readonly leavesOpen: boolean;
}

export interface StoredRecord {
  readonly sequence: number;
  /** Empty for a gap. */
  readonly payload: Uint8Array;
  /** The record stands for a run of sequences that ends with its own, of which so many were lost. */
  readonly gap?: { readonly firstSequence: number; readonly lost: number };
}

/** One transaction's work. */
export interface OutboxTransaction {
  readonly records: readonly NewRecord[];
  /** Records that could not even be stored: they get sequences before the others, and a gap in their place. */
  readonly refused: number;
  /** Records up to and including this sequence may go. */
  readonly acknowledgedThrough: number;
  /** Records up to and including this sequence were handed to the broker at least once. */
  readonly sentThrough: number;
}

export interface OutboxCommit {
  /** Of the records, in their order. */
  readonly sequences: readonly number[];
  /** What had to go for want of room. */
  readonly dropped: Dropped;
}

/** Records of one statement: half of what a row costs is the call. */
const ROWS = 32;

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
 * Within its bound it makes room by the policy of {@link makeRoom}; when the disk itself is full, nothing is
 * dropped and the commit fails. Errors are SQLite's own; `outboxError` gives them a code.
 */
export class OutboxStore {
  readonly streamId: StreamId;
  readonly #database: SqliteFile;
  readonly #maximumBytes: number;
  #lastSequence: number;
  #acknowledgedThrough: number;
  #sentThrough: number;
  /** The sightings that the table of open ones holds: few, and most records are of others. */
  #open: ReadonlySet<string>;

  /**
   * Opens the file, or makes a new one with a new stream.
   *
   * @param maximumBytes the database never grows beyond it
   */
  constructor(path: string, maximumBytes: number) {
    this.#database = openOutboxDatabase(path, maximumBytes);
    this.#maximumBytes = maximumBytes;
    const stream = this.#database.get('SELECT * FROM stream') as StreamRow;
    this.streamId = stream.id;
    this.#lastSequence = stream.last_sequence;
    this.#acknowledgedThrough = stream.acknowledged_through;
    this.#sentThrough = stream.sent_through;
    const open = this.#database.all('SELECT sighting_id AS id FROM open_sighting') as { readonly id: string }[];
    this.#open = new Set(open.map(({ id }) => id));
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

  /** Bytes of the file that hold something. */
  get usedBytes(): number {
    return this.#database.usedBytes;
  }

  /** Does all of it, durably, or nothing. */
  commit({ records, refused, ...marks }: OutboxTransaction): OutboxCommit {
    const acknowledgedThrough = Math.max(this.#acknowledgedThrough, marks.acknowledgedThrough);
    const sentThrough = Math.max(this.#sentThrough, marks.sentThrough);
    const first = this.#lastSequence + refused + 1;
    const lastSequence = this.#lastSequence + refused + records.length;
    const open = new Set(this.#open);
    let dropped: Dropped = { superseded: 0, lost: 0 };
    this.#database.transaction(() => {
      // First, so that what goes makes room for what comes.
      this.#database.run('DELETE FROM record WHERE sequence <= ?', acknowledgedThrough);
      this.#database.run('DELETE FROM superseded WHERE sequence <= ?', acknowledgedThrough);
      const incoming = records.reduce((sum, { payload }) => sum + payload.length, 0);
      if (incoming > 0) dropped = makeRoom(this.#database, this.#maximumBytes, incoming);
      if (refused > 0) insertGap(this.#database, { first: first - refused, last: first - 1, lost: refused });
      this.#insert(first, records);
      for (const [index, record] of records.entries()) this.#noteSighting(first + index, record, open);
      this.#database.run(
        'UPDATE stream SET last_sequence = ?, acknowledged_through = ?, sent_through = ?',
        lastSequence,
        acknowledgedThrough,
        sentThrough,
      );
    });
    this.#open = open;
    this.#lastSequence = lastSequence;
    this.#acknowledgedThrough = acknowledgedThrough;
    this.#sentThrough = sentThrough;
    return { sequences: records.map((_, index) => first + index), dropped };
  }

  /** Stored records after a sequence, in order, at most `limit`. */
  pending(afterSequence: number, limit: number): readonly StoredRecord[] {
    const rows = this.#database.all(
      `SELECT sequence, payload, first_sequence AS firstSequence, lost FROM record
       WHERE sequence > ? ORDER BY sequence LIMIT ?`,
      afterSequence,
      limit,
    ) as {
      readonly sequence: number;
      readonly payload: ArrayBuffer;
      readonly firstSequence: number | null;
      readonly lost: number | null;
    }[];
    return rows.map(({ sequence, payload, firstSequence, lost }) => ({
      sequence,
      payload: new Uint8Array(payload),
      ...(firstSequence !== null && { gap: { firstSequence, lost: lost ?? 0 } }),
    }));
  }

  /** The last stored state of every sighting that was left open, oldest first. */
  openSightings(): readonly Uint8Array[] {
    // Ids are time-ordered.
    const rows = this.#database.all('SELECT payload FROM open_sighting ORDER BY sighting_id') as {
      readonly payload: ArrayBuffer;
    }[];
    return rows.map(({ payload }) => new Uint8Array(payload));
  }

  close(): void {
    this.#database.close();
  }

  #insert(first: number, records: readonly NewRecord[]): void {
    for (let start = 0; start < records.length; start += ROWS) {
      const rows = records.slice(start, start + ROWS);
      this.#database.run(
        `INSERT INTO record (sequence, payload) VALUES ${rows.map(() => '(?, ?)').join(', ')}`,
        ...rows.flatMap(({ payload }, index) => [first + start + index, payload]),
      );
    }
  }

  /** @param open the open sightings, before the record and after it */
  #noteSighting(sequence: number, { payload, sightingId, leavesOpen }: NewRecord, open: Set<string>): void {
    if (sightingId === undefined) return;
    const wasOpen = open.has(sightingId);
    // The record that this one supersedes, if it is still here and has not become part of a gap.
    if (wasOpen)
      this.#database.run(
        `INSERT OR IGNORE INTO superseded SELECT record.sequence FROM open_sighting JOIN record USING (sequence)
       WHERE sighting_id = ? AND first_sequence IS NULL`,
        sightingId,
      );
    if (leavesOpen) {
      open.add(sightingId);
      this.#database.run(
        'INSERT OR REPLACE INTO open_sighting (sighting_id, payload, sequence) VALUES (?, ?, ?)',
        sightingId,
        payload,
        sequence,
      );
    } else if (wasOpen) {
      open.delete(sightingId);
      this.#database.run('DELETE FROM open_sighting WHERE sighting_id = ?', sightingId);
    }
  }
}
