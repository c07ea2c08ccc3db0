import { randomUUID } from 'node:crypto';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RecordPayloadSchema,
  SCHEMA_VERSION,
  SightingBatchSchema,
  type DeviceTime,
  type SightingAck,
} from '@sightline/contracts';
import { backoffMs, errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { DeviceClock } from '../device-clock.js';
import type { Outbox } from '../outbox/outbox.js';
import { outboxError } from '../outbox/outbox-database.js';
import type { StoredRecord } from '../outbox/outbox-store.js';
import { payloadOf } from './gap-record.js';

export interface DeliveryPolicy {
  /** Batches in flight at most; an acknowledgement may lower it. */
  readonly maximumWindow: number;
  readonly maximumBatchRecords: number;
  /** Payload bytes of one batch at most; a larger single record goes alone. */
  readonly maximumBatchBytes: number;
  /** The oldest batch is sent again when no acknowledgement came for so long; doubles with each try, jittered. */
  readonly acknowledgementTimeoutMs: number;
}

export const defaultDeliveryPolicy: DeliveryPolicy = {
  maximumWindow: 4,
  maximumBatchRecords: 100,
  maximumBatchBytes: 256 * 1024,
  acknowledgementTimeoutMs: 5000,
};

const LONGEST_TIMEOUT_MS = 60_000;

export interface BatchSenderOptions {
  readonly outbox: Outbox;
  /** Hands one encoded batch to the broker. Rejects when the connection is gone. */
  readonly publish: (batch: Uint8Array) => Promise<void>;
  /** Called for each record that is handed over, with the time that it carries. */
  readonly onSent: (sequence: number, recordedAt: DeviceTime | undefined) => void;
  readonly policy: () => DeliveryPolicy;
  readonly deviceClock: DeviceClock;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

interface BatchInFlight {
  readonly lastSequence: number;
}

/**
 * Sends the outbox to the cloud: batches in sequence order, a bounded number in flight, and again from the
 * last acknowledgement on each new connection and whenever acknowledgements stop coming.
 *
 * Invariants: nothing leaves the outbox but by an acknowledgement; what is in flight is a run of sequences
 * that starts right after the acknowledged ones. While the outbox cannot be read nothing is sent, and it is read
 * again after the time in which an acknowledgement would be missed.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  #inFlight: BatchInFlight[] = [];
  #sentThisTime = 0;
  #grantedWindow = Infinity;
  #timeouts = 0;
  #timer: AbortController | undefined;
  #online = false;
  /** The outbox could not be read the last time. */
  #unreadable = false;

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  /**
   * A new connection: everything that is not acknowledged is sent, again or for the first time. One batch goes
   * first, and the window is what its acknowledgement grants: a cloud to which a thousand boxes return at once
   * gets a thousand batches, not four thousand.
   */
  connected(): void {
    this.#online = true;
    this.#grantedWindow = 1;
    this.#timeouts = 0;
    this.#startOver();
  }

  disconnected(): void {
    this.#online = false;
    this.#inFlight = [];
    this.#stopTimer();
  }

  /** New records are in the outbox, or the policy has changed. Never throws for an outbox that cannot be read. */
  pump(): void {
    const { outbox, policy } = this.#options;
    while (this.#online && this.#inFlight.length < Math.min(policy().maximumWindow, this.#grantedWindow)) {
      const records = this.#nextRecords(outbox, policy());
      const last = records.at(-1);
      if (!last) break;
      this.#sentThisTime = last.sequence;
      this.#inFlight.push({ lastSequence: last.sequence });
      this.#send(records);
      if (this.#inFlight.length === 1) this.#startTimer();
    }
    // Nobody's acknowledgement would have it read again.
    if (this.#online && this.#unreadable && !this.#timer) this.#startTimer();
  }

  /** Takes the cloud's acknowledgement. */
  acknowledged({
    streamId,
    committedThrough,
    window,
  }: Pick<SightingAck, 'streamId' | 'committedThrough' | 'window'>): void {
    const { outbox, log } = this.#options;
    const effect = outbox.acknowledge(streamId, Number(committedThrough));
    if (effect === 'foreign-stream' || effect === 'beyond-end') {
      log.warn({ code: 'UPLINK.FOREIGN_ACKNOWLEDGEMENT', effect }, 'ignored an acknowledgement of records not sent');
      return;
    }
    // A window of none would never be opened again: the cloud answers batches alone.
    this.#grantedWindow = Math.max(1, window);
    if (effect === 'applied') {
      this.#inFlight = this.#inFlight.filter(({ lastSequence }) => lastSequence > outbox.acknowledgedThrough);
      this.#sentThisTime = Math.max(this.#sentThisTime, outbox.acknowledgedThrough);
      this.#timeouts = 0;
      this.#startTimer();
    }
    this.pump();
  }

  #startOver(): void {
    this.#inFlight = [];
    this.#sentThisTime = this.#options.outbox.acknowledgedThrough;
    this.pump();
  }

  #nextRecords(outbox: Outbox, { maximumBatchRecords, maximumBatchBytes }: DeliveryPolicy): readonly StoredRecord[] {
    const records = this.#pending(outbox, maximumBatchRecords);
    let bytes = 0;
    const fitting = records.findIndex(({ payload }) => (bytes += payload.length) > maximumBatchBytes);
    return fitting === -1 ? records : records.slice(0, Math.max(1, fitting));
  }

  /** @returns none when the outbox cannot be read */
  #pending(outbox: Outbox, limit: number): readonly StoredRecord[] {
    try {
      const records = outbox.pending(this.#sentThisTime, limit);
      this.#unreadable = false;
      return records;
    } catch (cause) {
      const { code } = outboxError(cause);
      // Once, not for each attempt.
      if (!this.#unreadable) this.#options.log.error({ code, cause: errorMessage(cause) }, 'cannot read the outbox');
      this.#unreadable = true;
      return [];
    }
  }

  #send(records: readonly StoredRecord[]): void {
    const { outbox, publish, onSent, deviceClock, log } = this.#options;
    const now = deviceClock.deviceTime();
    const batch = create(SightingBatchSchema, {
      schemaVersion: SCHEMA_VERSION,
      correlationId: randomUUID(),
      streamId: outbox.streamId,
      sentAt: now,
      records: records.map((record) => ({
        sequence: BigInt(record.sequence),
        replayed: outbox.wasSent(record.sequence),
        payload: payloadOf(record, now),
      })),
    });
    for (const { sequence, payload, gap } of records) if (!gap) onSent(sequence, recordedAt(payload));
    outbox.markSent(records.at(-1)?.sequence ?? 0);
    publish(toBinary(SightingBatchSchema, batch)).catch((error: unknown) => {
      // The next connection, or the timer, sends it again.
      const code = isAppError(error) ? error.code : 'UPLINK.PUBLISH_FAILED';
      log.debug({ code }, 'a batch was not taken by the broker');
    });
  }

  #stopTimer(): void {
    this.#timer?.abort();
    this.#timer = undefined;
  }

  /** Watches over the oldest batch in flight, or over an outbox that cannot be read. */
  #startTimer(): void {
    this.#stopTimer();
    if (this.#inFlight.length === 0 && !this.#unreadable) return;
    const timer = new AbortController();
    this.#timer = timer;
    void this.#sendAgainAfterTimeout(timer.signal);
  }

  async #sendAgainAfterTimeout(signal: AbortSignal): Promise<void> {
    const { clock, random, policy, log } = this.#options;
    // Twice the bound, since the jitter takes up to half of it away.
    const baseMs = 2 * policy().acknowledgementTimeoutMs;
    const waitMs = backoffMs(this.#timeouts, { baseMs, capMs: Math.max(baseMs, LONGEST_TIMEOUT_MS), random });
    try {
      await clock.sleep(waitMs, signal);
    } catch {
      return;
    }
    // It may have been stopped since it was woken.
    if (signal.aborted) return;
    this.#timer = undefined;
    this.#timeouts += 1;
    this.#grantedWindow = 1;
    if (this.#inFlight.length > 0) {
      const fields = { code: 'UPLINK.NO_ACKNOWLEDGEMENT', timeouts: this.#timeouts };
      log.warn(fields, 'no acknowledgement came: sending again');
    }
    this.#startOver();
  }
}

function recordedAt(payload: Uint8Array): DeviceTime | undefined {
  try {
    return fromBinary(RecordPayloadSchema, payload).recordedAt;
  } catch {
    // The cloud quarantines it; here it is only never acted upon.
    return undefined;
  }
}
