import { newSightingId, silentLogger, systemClock } from '@sightline/kernel';

import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';

/**
 * A process that is to be killed: appends to the outbox at the path of its first argument for ever, and prints
 * each sequence once `append` has said that it is stored. Every other record leaves its sighting open. With the
 * bound of the file as its second argument, nothing is acknowledged: the outbox fills up, and drops. What keeps it
 * from storing goes to the standard error, once for each change.
 */
const [, , path = '', bound] = process.argv;
const store = openOutboxStore({
  path,
  maximumBytes: bound === undefined ? 2 ** 30 : Number(bound),
  clock: systemClock,
  log: silentLogger,
});
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

/** @returns undefined for one that memory could not hold */
async function stored(payload: Uint8Array, leavesOpen: boolean): Promise<number | undefined> {
  try {
    return await outbox.append({ payload, sightingId: newSightingId(), leavesOpen });
  } catch {
    return undefined;
  }
}

async function write(writer: number): Promise<void> {
  for (let count = 0; ; count += 1) {
    const payload = Buffer.alloc(700, `${writer}/${count} `);
    const sequence = await stored(payload, count % 2 === 0);
    if (sequence === undefined) continue;
    process.stdout.write(`${sequence} ${payload.subarray(0, 8).toString()}\n`);
    // What is acknowledged goes, while others come.
    if (bound === undefined && sequence % 50 === 0) outbox.acknowledge(outbox.streamId, sequence - 40);
  }
}

let problem = '';
setInterval(() => {
  const now = outbox.problem?.code ?? '';
  if (now !== problem) process.stderr.write(`${now || 'none'}\n`);
  problem = now;
}, 20);

await Promise.all([1, 2, 3].map(write));
