import { join } from 'node:path';

import { newSightingId, silentLogger, systemClock } from '@sightline/kernel';

import { edgeAgentConfigSchema } from '../config/config.js';
import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';

/**
 * Stores records of 700 bytes for some seconds in two ways, in turns, each durably with synchronous FULL: as they
 * come, in groups, and one a commit. Prints rows a second of each turn as one line of JSON. Arguments: a folder,
 * seconds of a turn, turns.
 */
const [, , directory = '', seconds = '3', turns = '3'] = process.argv;

/** Made beforehand: a box makes an id for each sighting, not for each record. */
const sightingIds = Array.from({ length: 1024 }, () => newSightingId());
/** As many as an agent stores at once. */
const { groupSize } = edgeAgentConfigSchema.shape.outbox.parse(undefined);
const grouped: number[] = [];
const single: number[] = [];
for (let turn = 0; turn < Number(turns); turn += 1) {
  single.push(await measure(`single-${turn}`, 1, 1));
  grouped.push(await measure(`grouped-${turn}`, groupSize, 4 * groupSize));
}
process.stdout.write(`${JSON.stringify({ grouped, single })}\n`);

/** @returns rows a second */
async function measure(name: string, groupSize: number, writers: number): Promise<number> {
  const path = join(directory, `${name}.db`);
  const store = openOutboxStore({ path, maximumBytes: 2 ** 30, clock: systemClock, log: silentLogger });
  const outbox = new Outbox(store, {
    ...{ commitDelayMs: 0, groupSize, queueLimit: 10_000, clock: systemClock, random: Math.random, log: silentLogger },
    onFatal: (error) => {
      throw error;
    },
  });
  const payload = Buffer.alloc(700, 7);
  const startedMs = performance.now();
  const endMs = startedMs + Number(seconds) * 1000;
  let rows = 0;
  const write = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const sightingId = sightingIds[rows % sightingIds.length];
      await outbox.append({ payload, leavesOpen: false, ...(sightingId && { sightingId }) });
      rows += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  const elapsedMs = performance.now() - startedMs;
  await outbox.close();
  return (rows * 1000) / elapsedMs;
}
