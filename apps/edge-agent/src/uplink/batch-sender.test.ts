import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  GapReason,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  type DeviceTime,
  type SightingBatch,
} from '@sightline/contracts';
import { AppError, newSightingId, newStreamId } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { DeviceClock } from '../device-clock.js';
import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';
import { TestLog } from '../testing/test-log.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { BatchSender, defaultDeliveryPolicy, type DeliveryPolicy } from './batch-sender.js';

let directory: string;
let clock: VirtualClock;
let log: TestLog;
let outbox: Outbox;
let sender: BatchSender;
let sent: SightingBatch[];
let sentTimes: Map<number, DeviceTime | undefined>;
let policy: DeliveryPolicy;
let publish: (batch: Uint8Array) => Promise<void>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-sender-'));
  clock = new VirtualClock();
  log = new TestLog();
  policy = { ...defaultDeliveryPolicy, maximumBatchRecords: 2 };
  publish = async () => undefined;
  openAgain();
});

afterEach(async () => {
  sender.disconnected();
  await outbox.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Opens outbox and sender as a new process would. */
function openAgain(): void {
  const store = openOutboxStore({ path: join(directory, 'outbox.db'), maximumBytes: 2 ** 26, clock, log });
  const random = (): number => 0;
  const options = { commitDelayMs: 1, groupSize: 100, queueLimit: 1000, onFatal: () => undefined };
  outbox = new Outbox(store, { ...options, clock, random, log });
  sent = [];
  sentTimes = new Map();
  sender = new BatchSender({
    outbox,
    publish: (bytes) => {
      sent.push(fromBinary(SightingBatchSchema, bytes));
      return publish(bytes);
    },
    onSent: (sequence, recordedAt) => sentTimes.set(sequence, recordedAt),
    policy: () => policy,
    deviceClock: new DeviceClock(clock, () => true),
    clock,
    random,
    log,
  });
  outbox.onStored(() => sender.pump());
}

async function append(count: number, bytes = 10): Promise<void> {
  const recordedAt = new DeviceClock(clock, () => true).deviceTime();
  const head = toBinary(RecordPayloadSchema, create(RecordPayloadSchema, { recordedAt }));
  for (let index = 0; index < count; index += 1) {
    // An unknown field makes it as long as it should be.
    const filler = Buffer.concat([Buffer.from([0xfa, 0x01, bytes]), Buffer.alloc(bytes)]);
    void outbox.append({ payload: Buffer.concat([head, filler]), sightingId: newSightingId(), leavesOpen: false });
  }
  await clock.advance(5);
}

/** A new connection, on which the cloud grants a window at once. */
function connect(window = 4): void {
  sender.connected();
  const { streamId, acknowledgedThrough } = outbox;
  sender.acknowledged({ streamId, committedThrough: BigInt(acknowledgedThrough), window });
}

async function acknowledge(committedThrough: number, window = 4, streamId: string = outbox.streamId): Promise<void> {
  sender.acknowledged(create(SightingAckSchema, { streamId, committedThrough: BigInt(committedThrough), window }));
  await clock.advance(5);
}

const sequences = (): readonly (readonly number[])[] =>
  sent.map(({ records }) => records.map(({ sequence }) => Number(sequence)));

describe('the sender of batches', () => {
  it('sends nothing without a connection, and everything in order once there is one', async () => {
    await append(5);
    expect(sent).toEqual([]);
    connect();
    expect(sequences()).toEqual([[1, 2], [3, 4], [5]]);
    expect(sent[0]).toMatchObject({ schemaVersion: 1, streamId: outbox.streamId });
    expect(sent[0]?.records[0]?.replayed).toBe(false);
    expect(new Set(sent.map(({ correlationId }) => correlationId)).size).toBe(3);
    expect(sentTimes.get(1)?.wallMs).toBe(BigInt(Date.UTC(2026, 0, 1)));
  });

  it('has no more batches in flight than the window, and goes on with each acknowledgement', async () => {
    policy = { ...policy, maximumWindow: 2 };
    connect();
    await append(9);
    expect(sequences()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    await acknowledge(2);
    expect(sequences().slice(2)).toEqual([[5, 6]]);
    await acknowledge(6);
    expect(sequences().slice(3)).toEqual([[7, 8], [9]]);
    await acknowledge(9);
    expect(outbox.backlog).toBe(0);
  });

  it('begins with one batch on each connection and after silence, until the cloud grants more', async () => {
    await append(8);
    sender.connected();
    expect(sequences()).toEqual([[1, 2]]);
    await acknowledge(2, 3);
    expect(sequences().slice(1)).toEqual([
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
    sent.length = 0;
    await clock.advance(5010);
    expect(sequences()).toEqual([[3, 4]]);
    sender.disconnected();
    sender.connected();
    expect(sequences()).toHaveLength(2);
  });

  it('sends a gap in the place of what the outbox dropped', async () => {
    await append(3);
    const records = outbox.pending(0, 3);
    outbox.pending = () => [
      { sequence: 2, payload: new Uint8Array(0), gap: { firstSequence: 1, lost: 1 } },
      ...records.slice(2),
    ];
    sender.connected();
    const payloads = sent[0]?.records.map(({ payload }) => fromBinary(RecordPayloadSchema, payload));
    expect(sequences()).toEqual([[2, 3]]);
    expect(payloads?.[0]).toMatchObject({
      recordedAt: { wallMs: BigInt(clock.wallMs()) },
      body: {
        case: 'gap',
        value: { firstSequence: 1n, lastSequence: 2n, lostRecords: 1n, reason: GapReason.DISK_FULL },
      },
    });
    expect([...sentTimes.keys()]).toEqual([3]);
  });

  it('slows down when an acknowledgement lowers the window, and speeds up when one raises it', async () => {
    connect();
    await append(20);
    expect(sent).toHaveLength(4);
    await acknowledge(2, 1);
    expect(sent).toHaveLength(4);
    await acknowledge(8, 1);
    expect(sent).toHaveLength(5);
    await acknowledge(10, 0);
    expect(sent).toHaveLength(6);
    await acknowledge(12, 9);
    // Never above its own bound.
    expect(sent).toHaveLength(10);
  });

  it('keeps batches within their bytes, and sends a larger record alone', async () => {
    policy = { ...policy, maximumBatchRecords: 100, maximumBatchBytes: 250 };
    await append(5, 60);
    connect();
    expect(sequences()).toEqual([[1, 2], [3, 4], [5]]);
    policy = { ...policy, maximumBatchBytes: 20 };
    sender.disconnected();
    sent.length = 0;
    connect();
    expect(sequences()).toEqual([[1], [2], [3], [4]]);
  });

  it('sends again from the acknowledgement on a new connection, marked as replayed', async () => {
    connect();
    await append(4);
    await acknowledge(2);
    sender.disconnected();
    await append(2);
    sent.length = 0;
    connect();
    expect(sequences()).toEqual([
      [3, 4],
      [5, 6],
    ]);
    expect(sent[0]?.records.map(({ replayed }) => replayed)).toEqual([true, true]);
    expect(sent[1]?.records.map(({ replayed }) => replayed)).toEqual([false, false]);
  });

  it('sends again after a restart, and knows what it had sent', async () => {
    connect();
    await append(2);
    sender.disconnected();
    await append(1);
    await outbox.close();
    openAgain();
    connect();
    expect(sequences()).toEqual([[1, 2], [3]]);
    expect(sent.flatMap(({ records }) => records.map(({ replayed }) => replayed))).toEqual([true, true, false]);
  });

  it('sends again when no acknowledgement comes, each time after a longer wait', async () => {
    connect();
    await append(1);
    await clock.advance(4990);
    expect(sent).toHaveLength(1);
    await clock.advance(20);
    expect(sent).toHaveLength(2);
    await clock.advance(9900);
    expect(sent).toHaveLength(2);
    await clock.advance(200);
    expect(sequences()).toEqual([[1], [1], [1]]);
    expect(log.codes).toEqual(['UPLINK.NO_ACKNOWLEDGEMENT', 'UPLINK.NO_ACKNOWLEDGEMENT']);
    await acknowledge(1);
    await clock.advance(600_000);
    expect(sent).toHaveLength(3);
  });

  it('fills a hole that the cloud has: a later batch came, an earlier one did not', async () => {
    connect();
    await append(4);
    // The second batch was committed, the first was lost: nothing is acknowledged.
    await acknowledge(0);
    expect(outbox.backlog).toBe(4);
    await clock.advance(5010);
    expect(sequences().slice(2)).toEqual([[1, 2]]);
    await acknowledge(4);
    expect(outbox.backlog).toBe(0);
  });

  it('ignores acknowledgements of another stream and of what was never stored', async () => {
    connect();
    await append(2);
    await acknowledge(2, 4, newStreamId());
    await acknowledge(3);
    expect(outbox.backlog).toBe(2);
    expect(log.codes).toEqual(['UPLINK.FOREIGN_ACKNOWLEDGEMENT', 'UPLINK.FOREIGN_ACKNOWLEDGEMENT']);
  });

  it('takes an acknowledgement twice, and an old one, without harm', async () => {
    connect();
    await append(4);
    await acknowledge(4);
    await acknowledge(4);
    await acknowledge(2);
    await append(1);
    expect(sequences()).toEqual([[1, 2], [3, 4], [5]]);
    expect(outbox.backlog).toBe(1);
  });

  it('reads an outbox again that could not be read, and says so once', async () => {
    await append(2);
    const read = outbox.pending.bind(outbox);
    outbox.pending = () => {
      throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
    };
    sender.connected();
    await append(1);
    await clock.advance(60_000);
    expect(sent).toEqual([]);
    expect(log.codes).toEqual(['OUTBOX.UNAVAILABLE']);
    outbox.pending = read;
    await clock.advance(60_000);
    expect(sequences()[0]).toEqual([1, 2]);
    await acknowledge(2);
    await acknowledge(3);
    expect(outbox.backlog).toBe(0);
  });

  it('survives an outbox that cannot be read when an acknowledgement is missing', async () => {
    connect();
    await append(1);
    const read = outbox.pending.bind(outbox);
    outbox.pending = () => {
      throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
    };
    await clock.advance(5010);
    outbox.pending = read;
    await clock.advance(60_000);
    expect(sequences().slice(0, 2)).toEqual([[1], [1]]);
    // Nothing is read again for a connection that has gone.
    outbox.pending = () => {
      throw new Error('nobody asked');
    };
    sender.disconnected();
    await clock.advance(600_000);
    expect(log.codes.filter((code) => code !== 'UPLINK.NO_ACKNOWLEDGEMENT')).toEqual(['OUTBOX.UNAVAILABLE']);
  });

  it('survives a broker that does not take a batch', async () => {
    publish = () => Promise.reject(new AppError('MQTT.OFFLINE', 'gone', { retryable: true }));
    connect();
    await append(2);
    publish = async () => undefined;
    await clock.advance(5010);
    expect(sequences()).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
