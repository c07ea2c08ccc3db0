import { setTimeout as sleep } from 'node:timers/promises';

import { significant } from '../statistics.js';
import { drained, recordAt, waitingOn, type PacedBoxes } from './paced-load.js';
import { statementFigures } from './statements.js';
import { rateBetween, snapshot, whereTimeGoes, type Running } from './where-time-goes.js';

/** Records of one batch: a box that has fallen behind sends several at once. */
export const BATCH_RECORDS = 8;
/** Records that each box keeps waiting, so that it is never the one that is waited for: two windows of batches. */
const BACKLOG = 2 * 4 * BATCH_RECORDS;
const WARM_UP_MS = 3000;
const STALLED_MS = 20_000;
/** The load begins with this part of what saturation took, and is raised by a sixth each time … */
const FIRST_STEP = 0.6;
const RAISED = 7 / 6;
const MOST_STEPS = 8;
/** … for so long. */
const STEP_MS = 5000;
/** The backlog grows when more of a step's records are left at its end than answering them takes, s. */
const LEFT_SECONDS = 1;

export type Load = Running & PacedBoxes & { readonly databaseUrl: string };

/**
 * How many sightings a second are answered when every box always has more to send. Steady: what waits on the boxes stays
 * the same, and both halves of the time are reported.
 */
export async function saturate(load: Load, seconds: number) {
  let filling = true;
  const fill = async (): Promise<void> => {
    while (filling) {
      for (const box of load.boxes) while (box.waiting < BACKLOG) box.record({ templates: [load.nextProbe()] });
      await sleep(5);
    }
  };
  const full = fill();
  await sleep(WARM_UP_MS);
  await statementFigures(load.databaseUrl, true);
  const before = await snapshot(load);
  await sleep(500 * seconds);
  const middle = await snapshot(load);
  await sleep(500 * seconds);
  const after = await snapshot(load);
  const statements = await statementFigures(load.databaseUrl, false);
  filling = false;
  await full;
  await drained(load.boxes, STALLED_MS);
  return {
    sightingsPerSecond: significant(rateBetween(before, after)),
    halves: [significant(rateBetween(before, middle)), significant(rateBetween(middle, after))],
    ...whereTimeGoes(before, after),
    statements,
  };
}

/**
 * The load of live sightings, each sent as it happens, that can be kept up: raised until the boxes' backlog grows.
 */
export async function raiseLoad(load: Load, saturated: number) {
  const steps: { readonly perSecond: number; readonly left: number }[] = [];
  let perSecond = FIRST_STEP * saturated;
  for (let step = 0; step < MOST_STEPS; step += 1, perSecond *= RAISED) {
    await recordAt(load, perSecond, { ms: performance.now() + STEP_MS });
    const left = waitingOn(load.boxes);
    steps.push({ perSecond: significant(perSecond), left });
    console.error(`  ${Math.round(perSecond)} a second: ${left} left`);
    await drained(load.boxes, STALLED_MS);
    if (left > LEFT_SECONDS * perSecond) break;
  }
  const keptUp = steps.filter((step) => step.left <= LEFT_SECONDS * step.perSecond).at(-1);
  if (keptUp === undefined) throw new Error('not even the first step of the load could be kept up');
  return { livePerSecond: keptUp.perSecond, steps };
}
