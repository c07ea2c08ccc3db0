import { parseTopic, type DeviceAddress } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';
import type { MqttMessage } from '@sightline/messaging';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import { Identification, type SearchResult } from '../identification/identification.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { untilStored } from '../storage/transient.js';
import { decodeBatch, type IngestBatch, type Poison } from './decode-batch.js';
import { GroupCommit } from './group-commit.js';
import { IngestStages, type StageFigures } from './ingest-stages.js';
import { isLive } from './liveness.js';
import { storeBatches, type BatchOutcome, type SearchedBatch } from './ingest-store.js';
import { putInQuarantine } from './quarantine-store.js';
import { Replies } from './replies.js';
import { windowFor } from './window.js';

/** Records that one search takes at most: a live sighting waits for no more than these. A larger batch goes alone. */
const SEARCHED_RECORDS = 64;
/** Records that one transaction takes at most. */
const STORED_RECORDS = 256;
const weightOf = ({ records }: IngestBatch): number => Math.max(1, records.length);

/**
 * Takes sighting batches from the fleet. `take` resolves once a message has had its whole effect, answer included:
 * its PUBACK may be sent then. While the database or the release is away it waits; nothing is lost.
 *
 * One group is searched for while the one before is stored: the gallery and the database work at the same time. What
 * happens now goes before what waited on a box: somebody stands before the door.
 */
@Injectable()
export class Ingest implements BeforeApplicationShutdown {
  readonly #stages: IngestStages;
  readonly #searching = new GroupCommit<IngestBatch, SearchedBatch>({
    ...{ largest: SEARCHED_RECORDS, weightOf, isUrgent: isLive },
    commit: (batches, signal) => this.#search(batches, signal),
    isolate: (batch, error) => Promise.resolve(this.#poisoned(batch, error)),
  });
  readonly #storing = new GroupCommit<SearchedBatch, BatchOutcome>({
    ...{ largest: STORED_RECORDS, weightOf, isUrgent: isLive },
    commit: (batches, signal) => this.#store(batches, signal),
    isolate: (batch, error, signal) => this.#isolate(batch, error, signal),
  });

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly identification: Identification,
    private readonly replies: Replies,
  ) {
    this.#stages = new IngestStages(clock);
  }

  /** Batches that wait for a search or a commit. */
  get waiting(): number {
    return this.#searching.waiting + this.#storing.waiting;
  }

  /** Where the time has gone so far. */
  get stages(): StageFigures {
    return this.#stages.figures;
  }

  /** What is under way is finished, what waits is given back to the broker. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.#searching.stop(), this.#storing.stop()]);
  }

  async take({ topic, payload }: Pick<MqttMessage, 'topic' | 'payload'>): Promise<void> {
    const receivedMs = this.clock.monotonicMs();
    const address = parseTopic(topic);
    const batch = await this.#decode(address, payload);
    if (batch === undefined) return;
    const outcome = await this.#storing.add(await this.#searching.add(batch));
    if (outcome.kind === 'unknown-device') {
      this.log.warn({ code: 'DEVICE.NOT_FOUND', topic }, 'a batch of an unknown device was refused');
      return;
    }
    const answered = this.#stages.begin('answer');
    const window = windowFor(this.clock.monotonicMs() - receivedMs);
    await this.replies.answer(batch, outcome.committedThrough, outcome.answers, window);
    answered();
  }

  /** @returns undefined when the batch cannot be read: it is in quarantine then */
  async #decode(address: DeviceAddress, payload: Uint8Array): Promise<IngestBatch | undefined> {
    const decoded = this.#stages.begin('decode');
    try {
      return decodeBatch(address, payload, this.clock.wallMs());
    } catch (error) {
      if (!isAppError(error)) throw error;
      await this.#quarantine(address, { code: error.code, detail: error.message }, payload);
      return undefined;
    } finally {
      decoded();
    }
  }

  /** Before the transaction, so that no lock is held while the gallery is searched. */
  #search(batches: readonly IngestBatch[], signal: AbortSignal): Promise<readonly SearchedBatch[]> {
    const sightings = batches.flatMap((batch, index) =>
      batch.records.flatMap((record) =>
        record.kind === 'sighting' ? [{ index, sequence: record.sequence, ...batch.address, ...record.sighting }] : [],
      ),
    );
    const options = { clock: this.clock, log: this.log, signal, what: 'a search for sighting batches' };
    return untilStored(async () => {
      const searched = this.#stages.begin('search');
      const results = sightings.length === 0 ? [] : await this.identification.search(sightings);
      const searchMs = searched();
      const found = batches.map(() => new Map<number, SearchResult>());
      sightings.forEach(({ index, sequence }, position) => {
        const result = results[position];
        if (result !== undefined) found[index]?.set(sequence, result);
      });
      return batches.map((batch, index) => ({ ...batch, searchMs, results: found[index] ?? new Map() }));
    }, options);
  }

  #store(batches: readonly SearchedBatch[], signal: AbortSignal): Promise<readonly BatchOutcome[]> {
    const options = { clock: this.clock, log: this.log, signal, what: 'a group of sighting batches' };
    return untilStored(async () => {
      const stored = this.#stages.begin('store');
      const outcomes = await storeBatches(this.database, batches, this.clock);
      stored();
      this.#stages.stored(batches);
      return outcomes;
    }, options);
  }

  /**
   * A batch that fails alone, for a reason that waiting does not cure, must not stop the fleet: each of its records
   * becomes poison.
   */
  async #isolate(failed: SearchedBatch, error: unknown, signal: AbortSignal): Promise<BatchOutcome> {
    const [outcome] = await this.#store([this.#poisoned(failed, error)], signal);
    if (outcome === undefined) throw error;
    return outcome;
  }

  #poisoned(failed: IngestBatch, error: unknown): SearchedBatch {
    const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
    const { tenantId, deviceId } = failed.address;
    this.log.error({ code, tenantId, deviceId, error: errorMessage(error) }, 'a batch could not be stored');
    const poison = { code, detail: 'The record could not be stored.' };
    const records = failed.records.map(({ sequence, replayed, payload }) => ({
      ...{ sequence, replayed, payload, kind: 'poison' as const },
      poison,
    }));
    return { ...failed, records, strays: [], results: new Map(), searchMs: 0 };
  }

  async #quarantine(address: DeviceAddress, poison: Poison, payload: Uint8Array): Promise<void> {
    const { tenantId, deviceId } = address;
    this.log.warn({ code: poison.code, tenantId, deviceId, bytes: payload.length }, 'a batch is quarantined');
    const { signal } = this.#storing;
    const options = { clock: this.clock, log: this.log, signal, what: 'a quarantined batch' };
    const receivedAt = new Date(this.clock.wallMs());
    await untilStored(() => putInQuarantine(this.database.db, [{ address, poison, payload }], receivedAt), options);
  }
}
