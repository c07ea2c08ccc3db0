import type { SqliteFile } from '../storage/sqlite-file.js';

/** Of the file's bound: where dropping begins, and how far it goes. The distance keeps it from happening each time. */
const FULL_AT = 0.95;
const EMPTY_TO = 0.85;

/** Rows that are dropped between two looks at the file. */
const CHUNK = 200;

/** What a record needs beside its payload, with the pages of its tree: measured, rounded up. */
const OVERHEAD = 1.35;

/** What had to go. */
export interface Dropped {
  /** Revisions of which a later one was stored. */
  readonly superseded: number;
  /** Records whose content is gone. */
  readonly lost: number;
}

/**
 * Makes room for what is to be stored, within the transaction that stores it, by this policy:
 *
 * 1. Nothing goes before the file is full to 95 %; then it is emptied to 85 %.
 * 2. First go revisions of sightings of which a later one is stored, oldest first: the cloud keeps the highest
 *    revision of each sighting, so that no sighting and no best shot of a closed one is lost.
 * 3. Then the oldest records. The newest, those of this very transaction, never go.
 *
 * Templates are not taken out of records before the records themselves go: SQLite frees whole pages, and thinner
 * records free none. Each run of sequences that went becomes one gap record in its place.
 *
 * @param incoming payload bytes that are to be stored
 */
export function makeRoom(database: SqliteFile, maximumBytes: number, incoming: number): Dropped {
  const needed = incoming * OVERHEAD;
  if (database.usedBytes + needed <= FULL_AT * maximumBytes) return { superseded: 0, lost: 0 };
  const target = Math.max(0, EMPTY_TO * maximumBytes - needed);
  const superseded = dropUntil(database, target, 0, (limit) =>
    database.all('SELECT sequence FROM superseded ORDER BY sequence LIMIT ?', limit),
  );
  const lost = dropUntil(database, target, 1, (limit) =>
    database.all('SELECT sequence FROM record WHERE first_sequence IS NULL ORDER BY sequence LIMIT ?', limit),
  );
  return { superseded, lost };
}

function dropUntil(database: SqliteFile, targetBytes: number, lost: 0 | 1, next: (limit: number) => unknown[]): number {
  let dropped = 0;
  while (database.usedBytes > targetBytes) {
    const rows = next(CHUNK) as { readonly sequence: number }[];
    for (const { sequence } of rows) {
      database.run('DELETE FROM record WHERE sequence = ?', sequence);
      database.run('DELETE FROM superseded WHERE sequence = ?', sequence);
      insertGap(database, { first: sequence, last: sequence, lost });
    }
    dropped += rows.length;
    if (rows.length < CHUNK) break;
  }
  return dropped;
}

interface Gap {
  readonly first: number;
  readonly last: number;
  /** Sequences of it whose content is gone. */
  readonly lost: number;
}

/** Puts a gap in the place of what is no longer there, one with the gaps before and after it. */
export function insertGap(database: SqliteFile, { first, last, lost }: Gap): void {
  const before = database.get(
    'SELECT first_sequence AS first, lost FROM record WHERE sequence = ? AND first_sequence IS NOT NULL',
    first - 1,
  ) as Gap | undefined;
  const after = database.get(
    `SELECT sequence AS last, first_sequence AS first, lost FROM record
     WHERE first_sequence IS NOT NULL AND sequence > ? ORDER BY sequence LIMIT 1`,
    last,
  ) as Gap | undefined;
  const touching = after?.first === last + 1 ? after : undefined;
  if (before) database.run('DELETE FROM record WHERE sequence = ?', first - 1);
  database.run(
    `INSERT OR REPLACE INTO record (sequence, payload, first_sequence, lost) VALUES (?, x'', ?, ?)`,
    touching?.last ?? last,
    before?.first ?? first,
    (before?.lost ?? 0) + lost + (touching?.lost ?? 0),
  );
}
