import { openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { significant } from '../statistics.js';
import { makeFilms, type EdgeFilms } from './films.js';
import { runAgent, type AgentRun } from './measured-agent.js';

/** Frames a second that the cameras deliver, each, when it is to go as fast as it can. */
const FASTEST = { cameras1: 60, cameras4: 20 } as const;
/** What cameras deliver ordinarily. */
const ORDINARY = 10;

/** Frames a second and CPU time of whole agents whose cameras are films at 720p. */
export async function measurePerception(seconds: number) {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-bench-'));
  try {
    const recogniser = await openRecogniser({ bundle: await defaultBundle() });
    const films = await makeFilms(directory, recogniser).finally(() => recogniser.close());
    const run = async (name: string, film: string, cameras: number, camera: object): Promise<AgentRun> => {
      console.error(`${name} …`);
      const source = { kind: 'file', path: film, loop: true, maximumFramesPerSecond: 60 } as const;
      const ids = Array.from({ length: cameras }, (_, index) => `camera-${index + 1}`);
      return runAgent(
        join(directory, name),
        ids.map((id) => ({ id, source, ...camera })),
        seconds,
      );
    };
    const each = { motionGate: { enabled: false }, detection: { steadyIntervalMs: 0 } };
    const one = await run('cameras1', (await films(FASTEST.cameras1)).moving, 1, each);
    const four = await run('cameras4', (await films(FASTEST.cameras4)).moving, 4, each);
    const ordinary: EdgeFilms = await films(ORDINARY);
    const moving = await run('moving', ordinary.moving, 1, {});
    const still = await run('still', ordinary.still, 1, {});
    return {
      fps: { cameras1: significant(one.searched), cameras4: significant(four.searched) },
      cpu: {
        stillOverMoving: significant(still.cpu / moving.cpu),
        withFfmpeg: significant((still.cpu + still.ffmpegCpu) / (moving.cpu + moving.ffmpegCpu)),
      },
      runs: { cameras1: rounded(one), cameras4: rounded(four), moving: rounded(moving), still: rounded(still) },
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function rounded(run: AgentRun): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(run).map(([key, value]: [string, number]) => [key, significant(value)]));
}
