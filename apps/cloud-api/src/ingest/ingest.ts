import { parseTopic, type DeviceAddress } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';
import type { MqttMessage } from '@sightline/messaging';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import { Identification } from '../identification/identification.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { untilStored } from '../storage/transient.js';
import { decodeBatch, type IngestBatch, type Poison } from './decode-batch.js';
import { GroupCommit } from './group-commit.js';
import { storeBatches, type BatchOutcome, type SearchedBatch } from './ingest-store.js';
import { putInQuarantine } from './quarantine-store.js';
import { Replies } from './replies.js';

/** Batches that one transaction takes at most. */
const GROUP_BATCHES = 64;
/** Batches in flight that a box is granted normally, and while the backlog is long. */
const WINDOW = 4;
const NARROW_WINDOW = 1;
const LONG_BACKLOG = 4 * GROUP_BATCHES;

/**
 * Takes sighting batches from the fleet. `take` resolves once a message has had its whole effect, answer included:
 * its PUBACK may be sent then. While the database or the release is away it waits; nothing is lost.
 */
@Injectable()
export class Ingest implements BeforeApplicationShutdown {
  readonly #group = new GroupCommit<IngestBatch, BatchOutcome>({
    largest: GROUP_BATCHES,
    commit: (batches, signal) => this.#commit(batches, signal),
    isolate: (batch, error, signal) => this.#isolate(batch, error, signal),
  });

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly identification: Identification,
    private readonly replies: Replies,
  ) {}

  /** What is under way is finished, what waits is given back to the broker. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#group.stop();
  }

  async take({ topic, payload }: Pick<MqttMessage, 'topic' | 'payload'>): Promise<void> {
    const address = parseTopic(topic);
    let batch: IngestBatch;
    try {
      batch = decodeBatch(address, payload, this.clock.wallMs());
    } catch (error) {
      if (!isAppError(error)) throw error;
      await this.#quarantine(address, { code: error.code, detail: error.message }, payload);
      return;
    }
    const outcome = await this.#group.add(batch);
    if (outcome.kind === 'unknown-device') {
      this.log.warn({ code: 'DEVICE.NOT_FOUND', topic }, 'a batch of an unknown device was refused');
      return;
    }
    const window = this.#group.waiting > LONG_BACKLOG ? NARROW_WINDOW : WINDOW;
    await this.replies.answer(batch, outcome.committedThrough, outcome.answers, window);
  }

  #commit(batches: readonly IngestBatch[], signal: AbortSignal): Promise<readonly BatchOutcome[]> {
    const options = { clock: this.clock, log: this.log, signal, what: 'a group of sighting batches' };
    return untilStored(async () => {
      const searched = await this.#search(batches);
      return storeBatches(this.database, searched, this.clock);
    }, options);
  }

  /** Before the transaction, so that no lock is held while the gallery is searched. */
  async #search(batches: readonly IngestBatch[]): Promise<readonly SearchedBatch[]> {
    const sightings = batches.flatMap((batch, index) =>
      batch.records.flatMap((record) =>
        record.kind === 'sighting' ? [{ index, sequence: record.sequence, ...record.sighting }] : [],
      ),
    );
    const probes = sightings.map(({ index, shots, refusalCode }) => {
      const address = batches[index]?.address;
      if (address === undefined) throw new Error('a sighting without a batch');
      return { tenantId: address.tenantId, shots, refusalCode };
    });
    const startedMs = this.clock.monotonicMs();
    const results = probes.length === 0 ? [] : await this.identification.search(probes);
    const searchMs = this.clock.monotonicMs() - startedMs;
    return batches.map((batch, index) => ({
      ...batch,
      searchMs,
      results: new Map(
        sightings.flatMap((sighting, position) => {
          const result = results[position];
          return sighting.index === index && result !== undefined ? [[sighting.sequence, result] as const] : [];
        }),
      ),
    }));
  }

  /**
   * A batch that fails alone, for a reason that waiting does not cure, must not stop the fleet: each of its records
   * becomes poison, kept with its bytes.
   */
  async #isolate(failed: IngestBatch, error: unknown, signal: AbortSignal): Promise<BatchOutcome> {
    const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
    const { tenantId, deviceId } = failed.address;
    this.log.error({ code, tenantId, deviceId, error: errorMessage(error) }, 'a batch could not be stored');
    const poison = { code, detail: 'The record could not be stored.' };
    const records = failed.records.map(({ sequence, replayed, payload }) => ({
      ...{ sequence, replayed, payload, kind: 'poison' as const },
      poison,
    }));
    const batch = { ...failed, records, strays: [], results: new Map<number, never>(), searchMs: 0 };
    const options = { clock: this.clock, log: this.log, signal, what: 'a quarantined batch' };
    const [outcome] = await untilStored(() => storeBatches(this.database, [batch], this.clock), options);
    if (outcome === undefined) throw error;
    return outcome;
  }

  async #quarantine(address: DeviceAddress, poison: Poison, payload: Uint8Array): Promise<void> {
    const { tenantId, deviceId } = address;
    this.log.warn({ code: poison.code, tenantId, deviceId, bytes: payload.length }, 'a batch is quarantined');
    const { signal } = this.#group;
    const options = { clock: this.clock, log: this.log, signal, what: 'a quarantined batch' };
    const receivedAt = new Date(this.clock.wallMs());
    await untilStored(() => putInQuarantine(this.database.db, [{ address, poison, payload }], receivedAt), options);
  }
}
