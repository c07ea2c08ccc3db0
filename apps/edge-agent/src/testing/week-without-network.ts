import { join } from 'node:path';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  IdentificationOutcome,
  IdentificationSchema,
  RecordPayloadSchema,
  SightingBatchSchema,
} from '@sightline/contracts';
import { newSightingId, silentLogger } from '@sightline/kernel';

import { DeviceClock } from '../device-clock.js';
import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';
import { BatchSender, defaultDeliveryPolicy } from '../uplink/batch-sender.js';
import { IdentificationInbox } from '../uplink/identification-inbox.js';
import { VirtualClock } from './virtual-clock.js';

/**
 * A box whose broker is away for a week of virtual time, and then back: records come all the while, and are sent
 * in order afterwards. Prints what happened as one line of JSON. Arguments: a folder, and how many records.
 */
const [, , directory = '', count = '20000'] = process.argv;
const records = Number(count);
const WEEK_MS = 7 * 86_400_000;
const GROUP = 500;

const clock = new VirtualClock();
const deviceClock = new DeviceClock(clock, () => true);
const path = join(directory, 'outbox.db');
const store = openOutboxStore({ path, maximumBytes: 2 ** 30, clock, log: silentLogger });
const outbox = new Outbox(store, {
  ...{ commitDelayMs: 20, groupSize: GROUP, queueLimit: 10_000, clock, random: Math.random, log: silentLogger },
  onFatal: (error) => {
    throw error;
  },
});
const identifications = new IdentificationInbox(deviceClock, 10_000);

const received: number[] = [];
let replayed = 0;
let largestBatch = 0;
let inFlight = 0;
let mostInFlight = 0;
const unanswered: { readonly last: number; readonly sequences: readonly number[] }[] = [];
const sender = new BatchSender({
  ...{ outbox, deviceClock, clock, random: Math.random, log: silentLogger, policy: () => defaultDeliveryPolicy },
  onSent: (sequence, recordedAt) => identifications.expect(sequence, recordedAt),
  publish: async (bytes) => {
    const batch = fromBinary(SightingBatchSchema, bytes);
    const sequences = batch.records.map(({ sequence }) => Number(sequence));
    received.push(...sequences);
    replayed += batch.records.filter((record) => record.replayed).length;
    largestBatch = Math.max(largestBatch, bytes.length);
    mostInFlight = Math.max(mostInFlight, (inFlight += 1));
    unanswered.push({ last: sequences.at(-1) ?? 0, sequences });
  },
});
outbox.onStored(() => sender.pump());

// A while with a network, whose last batch is never acknowledged: it will be sent again, and marked.
sender.connected();
for (let index = 0; index < 10; index += 1) void append();
await clock.advance(100);
sender.disconnected();
unanswered.length = 0;
inFlight = 0;
received.length = 0;

for (let stored = 10; stored < records; stored += GROUP) {
  for (let index = 0; index < Math.min(GROUP, records - stored); index += 1) void append();
  await clock.advance((WEEK_MS * GROUP) / records);
}
const backlog = outbox.backlog;

/** Collected, so that only what is kept counts. */
const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
const heapBefore = heap();
let heapPeak = 0;
sender.connected();
for (let batch = unanswered.shift(); batch; batch = unanswered.shift()) {
  inFlight -= 1;
  sender.acknowledged({ streamId: outbox.streamId, committedThrough: BigInt(batch.last), window: 4 });
  for (const sequence of batch.sequences) answer(sequence);
  await clock.advance(30);
  if (received.length % 2000 < 100) heapPeak = Math.max(heapPeak, heap() - heapBefore);
}

const report = {
  ...{ records, backlog, received: received.length, replayed, largestBatch, mostInFlight },
  inOrder: received.every((sequence, index) => sequence === index + 1),
  left: outbox.backlog,
  dropped: outbox.dropped,
  answers: identifications.counts,
  heapPeakMegabytes: heapPeak / 2 ** 20,
};
await outbox.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

function append(): Promise<number> {
  const recordedAt = deviceClock.deviceTime();
  const head = toBinary(RecordPayloadSchema, create(RecordPayloadSchema, { recordedAt }));
  // An unknown field makes it as long as a sighting with one template.
  const filler = Buffer.concat([Buffer.from([0xfa, 0x01, 0xbc, 0x05]), Buffer.alloc(700)]);
  const payload = Buffer.concat([head, filler]);
  return outbox.append({ payload, sightingId: newSightingId(), leavesOpen: false });
}

/** The decision about a record, which comes as soon as the cloud has it: for most of them, days late. */
function answer(sequence: number): void {
  const { streamId } = outbox;
  const outcome = IdentificationOutcome.IDENTIFIED;
  identifications.take(create(IdentificationSchema, { streamId, sequence: BigInt(sequence), outcome }), streamId);
}
