import { readFile } from 'node:fs/promises';

import { demoTruthSchema, type DemoTruth } from '@sightline/edge-agent';
import type { PersonId } from '@sightline/kernel';

/** One pass of one person before the demo camera. */
export interface Pass {
  /** The script's id, and which time it was played. */
  readonly passId: string;
  /** Id of the enrolled person who was shown; null for somebody who is not enrolled. */
  readonly personId: PersonId | null;
  readonly startMs: number;
  readonly endMs: number;
  /** Whether the camera showed it to its end. One that was cut short ends when the next one begins. */
  readonly complete: boolean;
}

/** Reads the journal of one demo camera: what it really showed, in order. */
export async function readTruth(path: string, enrolled: ReadonlyMap<string, PersonId>): Promise<readonly Pass[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return passesOf(text.split('\n').flatMap(parseLine), enrolled);
}

/** A line that a kill cut short is left out. */
function parseLine(line: string): DemoTruth[] {
  try {
    return [demoTruthSchema.parse(JSON.parse(line))];
  } catch {
    return [];
  }
}

/** @param events in the order of the journal */
export function passesOf(events: readonly DemoTruth[], enrolled: ReadonlyMap<string, PersonId>): readonly Pass[] {
  const passes: Pass[] = [];
  const times = new Map<string, number>();
  for (const [index, { event, passId, label, wallMs }] of events.entries()) {
    if (event !== 'started') continue;
    const next = events[index + 1];
    const time = (times.get(passId) ?? 0) + 1;
    times.set(passId, time);
    passes.push({
      passId: `${passId}/${time}`,
      personId: enrolled.get(label) ?? null,
      startMs: wallMs,
      endMs: next?.wallMs ?? wallMs,
      complete: next?.event === 'ended' && next.passId === passId,
    });
  }
  return passes;
}
