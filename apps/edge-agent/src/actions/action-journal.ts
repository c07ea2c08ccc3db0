import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

import { AppError, errorMessage, type Logger } from '@sightline/kernel';

import { SqliteFile, sqliteFailure } from '../storage/sqlite-file.js';

const FORMAT_VERSION = 1;

/** `started` is a promise not to start it again: what a crash leaves so may have happened or not. */
export type ActionState = 'started' | 'succeeded' | 'failed' | 'late';

const SCHEMA = `
  CREATE TABLE action (
    id INTEGER PRIMARY KEY,
    rule_id TEXT NOT NULL,
    sighting_id TEXT NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (rule_id, sighting_id)
  );
  CREATE TABLE ballast (content BLOB NOT NULL);
`;

/** Entries that are kept. Sightings end with the process that saw them, so few minutes of them would do. */
const ENTRY_LIMIT = 2000;
/** Written and freed at every start: more than all entries, so that a disk that fills up later stops no action. */
const BALLAST_BYTES = 512 * 1024;

export interface ActionJournalOptions {
  readonly path: string;
  readonly log: Logger;
}

interface Waiting {
  readonly ruleId: string;
  readonly sightingId: string;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * The memory by which an action happens at most once for a rule and a sighting, whatever crashes: its intention is
 * on the disk before it starts, and what has an intention is never started again. A crash in between means that it
 * never happens. Intentions of one turn share a commit; how actions ended is written with the next one.
 */
export class ActionJournal {
  readonly #options: ActionJournalOptions;
  /** Undefined as long as it cannot be opened. */
  #file: SqliteFile | undefined;
  #interrupted = 0;
  #isClosed = false;
  #waiting: Waiting[] = [];
  #ended: { readonly ruleId: string; readonly sightingId: string; readonly state: ActionState }[] = [];

  /**
   * Opens the file. A damaged one is replaced by an empty one: what it knew is of sightings that are over. One that
   * cannot be opened, because the disk is full say, is tried again with every action: until then none starts, and
   * the box records all the same.
   */
  constructor(options: ActionJournalOptions) {
    this.#options = options;
    try {
      this.#opened();
    } catch (error) {
      const { code } = unavailable(error);
      options.log.error({ code }, 'the journal of actions cannot be opened: until it can, no rule acts');
    }
  }

  /** Actions that had been started when an earlier run ended. They are never started again. */
  get interrupted(): number {
    return this.#interrupted;
  }

  /**
   * Records durably that an action is about to start.
   *
   * @returns false when it has been recorded before: then it must not start
   * @throws AppError `ACTION.JOURNAL_UNAVAILABLE`: then it must not start either
   */
  begin(ruleId: string, sightingId: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ruleId, sightingId, resolve, reject });
      // All that one decision fires arrives in one turn: one sync of the disk for all of it.
      if (this.#waiting.length === 1) queueMicrotask(() => this.#commit());
    });
  }

  /** Remembers how an action ended. Durable with the next commit, or at the closing. */
  end(ruleId: string, sightingId: string, state: Exclude<ActionState, 'started'>): void {
    this.#ended.push({ ruleId, sightingId, state });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#commit();
    this.#isClosed = true;
    this.#file?.close();
  }

  #commit(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0 && this.#ended.length === 0) return;
    try {
      const isNew = this.#write(waiting);
      this.#ended = [];
      for (const [index, { resolve }] of waiting.entries()) resolve(isNew[index] ?? false);
    } catch (cause) {
      // At most once has priority over happening at all.
      const error = unavailable(cause);
      for (const { reject } of waiting) reject(error);
    }
  }

  #write(waiting: readonly Waiting[]): readonly boolean[] {
    const file = this.#opened();
    return file.transaction(() => {
      for (const { ruleId, sightingId, state } of this.#ended) {
        file.run('UPDATE action SET state = ? WHERE rule_id = ? AND sighting_id = ?', state, ruleId, sightingId);
      }
      const insert = "INSERT OR IGNORE INTO action (rule_id, sighting_id, state) VALUES (?, ?, 'started')";
      const isNew = waiting.map(({ ruleId, sightingId }) => file.run(insert, ruleId, sightingId) === 1);
      file.run('DELETE FROM action WHERE id <= (SELECT max(id) FROM action) - ?', ENTRY_LIMIT);
      return isNew;
    });
  }

  #opened(): SqliteFile {
    if (this.#file) return this.#file;
    if (this.#isClosed) throw new AppError('ACTION.JOURNAL_UNAVAILABLE', 'The journal of actions is closed.');
    const { path, log } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = open(path, log);
    const left = file.get("SELECT count(*) AS count FROM action WHERE state = 'started'");
    this.#interrupted = (left as { readonly count: number }).count;
    if (this.#interrupted > 0) {
      const message = 'actions had been started when the last run ended: whether they happened is not known';
      log.warn({ code: 'ACTION.INTERRUPTED', actions: this.#interrupted }, message);
      file.run("UPDATE action SET state = 'failed' WHERE state = 'started'");
    }
    this.#file = file;
    return file;
  }
}

function open(path: string, log: Logger): SqliteFile {
  try {
    return tryOpen(path);
  } catch (cause) {
    const error = unavailable(cause);
    if (error.code !== 'ACTION.JOURNAL_CORRUPT') throw error;
    log.error({ code: error.code }, 'the journal of actions was damaged: a new one begins');
    for (const suffix of ['-wal', '-shm', '']) rmSync(path + suffix, { force: true });
  }
  try {
    return tryOpen(path);
  } catch (cause) {
    throw unavailable(cause);
  }
}

function tryOpen(path: string): SqliteFile {
  return SqliteFile.open(path, (file) => {
    if (!file.isSound) throw new AppError('ACTION.JOURNAL_CORRUPT', 'The journal is damaged.');
    const { version } = file;
    if (version === 0) {
      file.migrate(FORMAT_VERSION, SCHEMA);
    } else if (version !== FORMAT_VERSION) {
      const message = 'The journal of actions was written by another version of the agent.';
      throw new AppError('ACTION.JOURNAL_UNKNOWN_FORMAT', message);
    }
    file.run(`INSERT INTO ballast VALUES (zeroblob(${BALLAST_BYTES}))`);
    file.run('DELETE FROM ballast');
  });
}

function unavailable(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  if (sqliteFailure(cause) === 'damaged') {
    return new AppError('ACTION.JOURNAL_CORRUPT', 'The journal of actions is damaged.', { cause });
  }
  const message = `The journal of actions cannot be written: ${errorMessage(cause)}`;
  return new AppError('ACTION.JOURNAL_UNAVAILABLE', message, { cause });
}
