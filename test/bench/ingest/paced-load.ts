import { setTimeout as sleep } from 'node:timers/promises';

import type { Template } from '@sightline/contracts';

import type { SimulatedBox } from '../../ingest/simulated-box.js';
import { significant } from '../statistics.js';

/** Boxes, what they see, and when each sighting's decision came back, ms of the monotonic clock. */
export interface PacedBoxes {
  readonly boxes: readonly SimulatedBox[];
  readonly nextProbe: () => Template;
  readonly answered: ReadonlyMap<string, number>;
}

/** How much longer than all others the answers may take that are waited for, ms. */
const PATIENCE_MS = 10_000;

/**
 * Records one sighting after the other at a mean rate, at random moments and boxes, whatever the answers do: as people
 * walk past cameras.
 *
 * @param until recording stops, ms of the monotonic clock, or once the signal is aborted
 * @returns when each sighting was due, ms. Counting from then, a load generator that falls behind does not make the
 *   answers look fast
 */
export async function recordAt(
  { boxes, nextProbe }: PacedBoxes,
  perSecond: number,
  until: { readonly ms: number; readonly signal?: AbortSignal },
): Promise<ReadonlyMap<string, number>> {
  const dueAt = new Map<string, number>();
  for (let dueMs = performance.now(); dueMs < until.ms; dueMs += (-Math.log(1 - Math.random()) * 1000) / perSecond) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    if (until.signal?.aborted === true) break;
    const box = boxes[Math.floor(Math.random() * boxes.length)];
    if (box !== undefined) dueAt.set(box.record({ templates: [nextProbe()] }), dueMs);
  }
  return dueAt;
}

/** How long the answers took, ms. Those that are not there after a while are counted, not waited for. */
export async function latenciesOf(dueAt: ReadonlyMap<string, number>, answered: ReadonlyMap<string, number>) {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs && [...dueAt.keys()].some((id) => !answered.has(id))) await sleep(50);
  const latencies = [...dueAt].flatMap(([id, ms]) => {
    const at = answered.get(id);
    return at === undefined ? [] : [at - ms];
  });
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): number =>
    significant(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN);
  return {
    ...{ p50Ms: quantile(0.5), p99Ms: quantile(0.99) },
    ...{ sightings: dueAt.size, unanswered: dueAt.size - latencies.length },
  };
}

/** Records that wait on the boxes. */
export const waitingOn = (boxes: readonly SimulatedBox[]): number =>
  boxes.reduce((sum, { waiting }) => sum + waiting, 0);

/** Resolves once everything is acknowledged, however long it takes. @throws Error when nothing is for so long */
export async function drained(boxes: readonly SimulatedBox[], stalledMs: number): Promise<void> {
  let fewest = Number.POSITIVE_INFINITY;
  let deadlineMs = 0;
  for (let left = waitingOn(boxes); left > 0; left = waitingOn(boxes)) {
    if (left < fewest) [fewest, deadlineMs] = [left, performance.now() + stalledMs];
    if (performance.now() > deadlineMs) throw new Error(`${left} records wait, and none was acknowledged for long`);
    await sleep(20);
  }
}
