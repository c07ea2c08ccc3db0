import { AppError, newStreamId } from '@sightline/kernel';

import { SqliteFile, sqliteFailure } from '../storage/sqlite-file.js';

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

/**
 * Opens the outbox's file, or makes a new one with a new stream.
 *
 * @param maximumBytes the file never grows beyond it: more is refused as if the disk were full
 * @throws SQLite's own errors; AppError `OUTBOX.CORRUPT`, `OUTBOX.UNKNOWN_FORMAT`
 */
export function openOutboxDatabase(path: string, maximumBytes: number): SqliteFile {
  return SqliteFile.open(path, (file) => {
    file.pragma(`journal_size_limit = ${JOURNAL_BYTES}`);
    file.pragma(`max_page_count = ${Math.max(16, Math.floor(maximumBytes / file.pageBytes))}`);
    if (!file.isSound) throw new AppError('OUTBOX.CORRUPT', 'The outbox file is damaged.');
    const { version } = file;
    if (version === 0) {
      file.migrate(FORMAT_VERSION, SCHEMA, () => file.run('INSERT INTO stream VALUES (?, 0, 0, 0)', newStreamId()));
    } else if (version === 1) {
      file.migrate(FORMAT_VERSION, FROM_VERSION_1);
    } else if (version !== FORMAT_VERSION) {
      throw new AppError('OUTBOX.UNKNOWN_FORMAT', 'The outbox file was written by another version of the agent.');
    }
  });
}

/** Gives an error of the store its code. */
export function outboxError(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  switch (sqliteFailure(cause)) {
    case 'disk full': {
      const message = 'The disk is full: the outbox cannot store records.';
      return new AppError('OUTBOX.DISK_FULL', message, { retryable: true, cause });
    }
    case 'damaged':
      return new AppError('OUTBOX.CORRUPT', 'The outbox file is damaged.', { cause });
    case 'unavailable': {
      const message = 'The outbox file cannot be read or written.';
      return new AppError('OUTBOX.UNAVAILABLE', message, { retryable: true, cause });
    }
  }
}
