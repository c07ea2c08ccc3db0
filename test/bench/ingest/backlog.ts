import { significant } from '../statistics.js';
import type { SimulatedBox } from '../../ingest/simulated-box.js';
import { drained, latenciesOf, recordAt, type PacedBoxes } from './paced-load.js';

/** Boxes that come back after a day offline … */
export const RETURNING = 10;
/** … what each of them brings along, and as how many records a batch: as boxes send. */
const RECORDS = 600;
export const RETURNING_BATCH = 100;
const DAY_MS = 86_400_000;
const LONGEST_MS = 60_000;

/**
 * How long live sightings of other boxes are waited for while some bring a day's backlog, and how fast that goes.
 *
 * @param perSecond live sightings
 */
export async function bringBacklog(live: PacedBoxes, returning: readonly SimulatedBox[], perSecond: number) {
  const startedMs = performance.now();
  for (const box of returning) {
    for (let count = 0; count < RECORDS; count += 1) box.record({ templates: [live.nextProbe()], agoMs: DAY_MS });
  }
  const over = new AbortController();
  const recording = recordAt(live, perSecond, { ms: startedMs + LONGEST_MS, signal: over.signal });
  await drained(returning, LONGEST_MS).finally(() => over.abort());
  const seconds = (performance.now() - startedMs) / 1000;
  const answer = await latenciesOf(await recording, live.answered);
  const records = RECORDS * returning.length;
  return { livePerSecond: significant(perSecond), answer, records, perSecond: significant(records / seconds) };
}
