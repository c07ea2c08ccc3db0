import { AppError, backoffMs, errorMessage, type Clock, type Logger, type StreamId } from '@sightline/kernel';

import type { Dropped } from './make-room.js';
import { outboxError } from './outbox-database.js';
import type { NewRecord, OutboxStore, StoredRecord } from './outbox-store.js';

export interface OutboxOptions {
  /** A commit waits so long for company, ms. */
  readonly commitDelayMs: number;
  /** … and no longer once so many records wait, which is also the most that one commit stores. */
  readonly groupSize: number;
  /** Records that may wait in memory while the disk refuses them; of more, the oldest go. */
  readonly queueLimit: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** The file was damaged while it was open: nothing more can be stored before a restart. */
  readonly onFatal: (error: AppError) => void;
}

/** What became of an acknowledgement. */
export type AcknowledgementEffect = 'applied' | 'stale' | 'foreign-stream' | 'beyond-end';

interface Waiting {
  readonly record: NewRecord;
  readonly resolve: (sequence: number) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * The durable outbox. What arrives within a few milliseconds is stored in one transaction, since the sync of a
 * commit costs the same for one record and for a hundred.
 *
 * Invariants: `append` resolves only after the commit; records keep the order in which they were given; a
 * record goes on an acknowledgement of this very stream, or, once the file is full, by its policy, which leaves
 * a gap record. While the disk refuses, records wait in memory (bounded) and are tried again; nothing that was
 * stored is dropped for that. What memory cannot hold either gets a gap record with the next commit.
 */
export class Outbox {
  readonly #store: OutboxStore;
  readonly #options: OutboxOptions;
  readonly #listeners = new Set<() => void>();
  #queue: Waiting[] = [];
  #acknowledgedThrough: number;
  #sentThrough: number;
  #writer: Promise<void> | undefined;
  #wake = new AbortController();
  #closing = false;
  #problem: AppError | undefined;
  #batchLimit: number;
  /** Records that were let go before they were stored, since the last commit. */
  #refused = 0;
  #dropped: Dropped = { superseded: 0, lost: 0 };

  constructor(store: OutboxStore, options: OutboxOptions) {
    this.#store = store;
    this.#options = options;
    this.#acknowledgedThrough = store.acknowledgedThrough;
    this.#sentThrough = store.sentThrough;
    this.#batchLimit = options.groupSize;
  }

  get streamId(): StreamId {
    return this.#store.streamId;
  }

  /** The next sequence that will be assigned. */
  get nextSequence(): number {
    return this.#store.lastSequence + 1;
  }

  get acknowledgedThrough(): number {
    return this.#acknowledgedThrough;
  }

  /** What keeps it from storing at the moment. */
  get problem(): AppError | undefined {
    return this.#problem;
  }

  /** What went without having been acknowledged, since this outbox was opened. */
  get dropped(): Dropped {
    return this.#dropped;
  }

  /** Bytes of its file that hold something. */
  get usedBytes(): number {
    return this.#store.usedBytes;
  }

  /** Records that are stored, or wait to be, and are not acknowledged; those in gaps count as one each. */
  get backlog(): number {
    return this.#store.lastSequence - this.#acknowledgedThrough + this.#queue.length;
  }

  /**
   * Stores a record.
   *
   * @returns its sequence, after the commit
   * @throws AppError `OUTBOX.OVERLOADED` (retryable: too many waited for the disk, and it was among the oldest),
   *   `OUTBOX.CORRUPT`, `OUTBOX.CLOSED`
   */
  append(record: NewRecord): Promise<number> {
    if (this.#closing) return Promise.reject(closedError());
    if (this.#queue.length >= this.#options.queueLimit) this.#shed(record);
    return new Promise((resolve, reject) => {
      this.#queue.push({ record, resolve, reject });
      if (this.#queue.length === this.#options.groupSize) this.#wake.abort();
      this.#write();
    });
  }

  /** Stored records after a sequence that are not acknowledged, in order. */
  pending(afterSequence: number, limit: number): readonly StoredRecord[] {
    return this.#store.pending(Math.max(afterSequence, this.#acknowledgedThrough), limit);
  }

  /** Whether a record was handed to the broker before, in this boot or an earlier one. */
  wasSent(sequence: number): boolean {
    return sequence <= this.#sentThrough;
  }

  /** Remembers that records were handed to the broker. Durable with the next commit. */
  markSent(throughSequence: number): void {
    this.#sentThrough = Math.max(this.#sentThrough, throughSequence);
  }

  /** Lets records go that the cloud has committed. The only way in which a record leaves. */
  acknowledge(streamId: string, committedThrough: number): AcknowledgementEffect {
    if (streamId !== this.streamId) return 'foreign-stream';
    if (committedThrough > this.#store.lastSequence) return 'beyond-end';
    if (committedThrough <= this.#acknowledgedThrough) return 'stale';
    this.#acknowledgedThrough = committedThrough;
    if (!this.#closing) this.#write();
    return 'applied';
  }

  /** @returns what removes the listener, which is called after every commit of new records */
  onStored(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores what waits, with one more attempt, and closes the file. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#wake.abort();
    await this.#writer;
    if (this.#isBehind()) this.#commit();
    for (const { reject } of this.#queue.splice(0)) reject(this.#problem ?? closedError());
    this.#store.close();
  }

  #isBehind(): boolean {
    const { acknowledgedThrough, sentThrough } = this.#store;
    return this.#queue.length > 0 || this.#acknowledgedThrough > acknowledgedThrough || this.#sentThrough > sentThrough;
  }

  #write(): void {
    this.#writer ??= this.#writeAll().finally(() => {
      this.#writer = undefined;
      // Something may have come between the last look and now.
      if (!this.#closing && this.#queue.length > 0 && !isFatal(this.#problem)) this.#write();
    });
  }

  async #writeAll(): Promise<void> {
    const { clock, random, commitDelayMs } = this.#options;
    let failures = 0;
    while (!this.#closing && this.#isBehind() && !isFatal(this.#problem)) {
      const retryMs = backoffMs(failures, { baseMs: 200, capMs: 10_000, random });
      await clock.sleep(failures === 0 ? commitDelayMs : retryMs, this.#wake.signal).catch(() => undefined);
      this.#wake = new AbortController();
      failures = this.#commit() ? 0 : failures + 1;
    }
  }

  /** @returns whether it worked */
  #commit(): boolean {
    const batch = this.#queue.slice(0, this.#batchLimit);
    try {
      const { sequences, dropped } = this.#store.commit({
        records: batch.map(({ record }) => record),
        refused: this.#refused,
        acknowledgedThrough: this.#acknowledgedThrough,
        sentThrough: this.#sentThrough,
      });
      this.#refused = 0;
      this.#noteDropped(dropped);
      this.#queue.splice(0, batch.length);
      this.#batchLimit = this.#options.groupSize;
      for (const [index, sequence] of sequences.entries()) batch[index]?.resolve(sequence);
      this.#recovered();
      if (batch.length > 0) for (const listener of this.#listeners) listener();
      return true;
    } catch (cause) {
      const error = outboxError(cause);
      if (error.code === 'OUTBOX.DISK_FULL') this.#makeRoom();
      // Fewer may fit.
      this.#batchLimit = Math.max(1, Math.floor(batch.length / 2));
      this.#failed(error);
      return false;
    }
  }

  /** Lets one that waits go: a revision that the new record supersedes, or else the oldest. */
  #shed({ sightingId }: NewRecord): void {
    const earlier = this.#queue.findIndex(
      (waiting) => sightingId !== undefined && waiting.record.sightingId === sightingId,
    );
    const [shed] = this.#queue.splice(Math.max(0, earlier), 1);
    if (earlier === -1) {
      this.#refused += 1;
      this.#dropped = { ...this.#dropped, lost: this.#dropped.lost + 1 };
    } else {
      this.#dropped = { ...this.#dropped, superseded: this.#dropped.superseded + 1 };
    }
    const cause = this.#problem;
    shed?.reject(new AppError('OUTBOX.OVERLOADED', 'Too many records wait for the disk.', { retryable: true, cause }));
  }

  #noteDropped({ superseded, lost }: Dropped): void {
    if (superseded + lost === 0) return;
    this.#dropped = { superseded: this.#dropped.superseded + superseded, lost: this.#dropped.lost + lost };
    this.#options.log.warn({ code: 'OUTBOX.DROPPED', superseded, lost }, 'the outbox is full: old records went');
  }

  /** Lets acknowledged records go although the waiting ones do not fit yet. */
  #makeRoom(): void {
    const marks = { acknowledgedThrough: this.#acknowledgedThrough, sentThrough: this.#sentThrough };
    if (marks.acknowledgedThrough <= this.#store.acknowledgedThrough) return;
    try {
      this.#store.commit({ records: [], refused: 0, ...marks });
    } catch {
      // A disk that is full to the brim takes no deletion either: tried again with the next attempt.
    }
  }

  #failed(error: AppError): void {
    const { log, onFatal } = this.#options;
    // Once for each kind of trouble, not for each attempt.
    if (this.#problem?.code !== error.code) {
      log.error({ code: error.code, waiting: this.#queue.length, cause: errorMessage(error.cause) }, error.message);
    }
    this.#problem = error;
    if (!isFatal(error)) return;
    for (const { reject } of this.#queue.splice(0)) reject(error);
    onFatal(error);
  }

  #recovered(): void {
    if (this.#problem) this.#options.log.info({ code: this.#problem.code }, 'the outbox stores records again');
    this.#problem = undefined;
  }
}

function isFatal(error: AppError | undefined): boolean {
  return error !== undefined && !error.retryable;
}

function closedError(): AppError {
  return new AppError('OUTBOX.CLOSED', 'The outbox is closed.');
}
