import { newSightingId, silentLogger, systemClock } from '@sightline/kernel';

import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';

/**
 * A process that is to be killed: appends to the outbox at the path of its first argument for ever, and prints
 * each sequence once `append` has said that it is stored. Every other record leaves its sighting open.
 */
const [, , path = ''] = process.argv;
const store = openOutboxStore({ path, maximumBytes: 2 ** 30, clock: systemClock, log: silentLogger });
const outbox = new Outbox(store, {
  commitDelayMs: 1,
  groupSize: 5,
  queueLimit: 1000,
  clock: systemClock,
  random: Math.random,
  log: silentLogger,
  onFatal: (error) => {
    throw error;
  },
});

async function write(writer: number): Promise<void> {
  for (let count = 0; ; count += 1) {
    const payload = Buffer.alloc(700, `${writer}/${count} `);
    const sequence = await outbox.append({ payload, sightingId: newSightingId(), leavesOpen: count % 2 === 0 });
    process.stdout.write(`${sequence} ${payload.subarray(0, 8).toString()}\n`);
    // What is acknowledged goes, while others come.
    if (sequence % 50 === 0) outbox.acknowledge(outbox.streamId, sequence - 40);
  }
}

await Promise.all([1, 2, 3].map(write));
