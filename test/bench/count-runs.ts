import type { ReleaseManifest } from '@sightline/contracts';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { perFrame, type PerFrame } from './frames.js';
import { perModel, type PerModel } from './isolated-models.js';

const shapes = z.array(z.array(z.number()));
/** For each frame, the shapes of the inputs of its model runs. */
export const countedRuns = z.object({ 1: shapes, 3: shapes, 10: shapes });

/**
 * How often the recogniser runs each model for each frame, as seen in a process of its own that is not timed. A
 * run with a batch of n counts as n.
 *
 * @throws Error when a run is of none of the manifest's models, or a model never runs
 */
export async function countRuns(manifest: ReleaseManifest): Promise<PerFrame<PerModel<number>>> {
  const path = (name: string): URL => new URL(name, import.meta.url);
  const child = fork(fileURLToPath(path('./count-runs-child.js')), [], {
    execArgv: ['--import', path('./announce-runs.js').href],
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const [answer] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the counting process ended with exit code ${String(code)}`);
    }),
  ])) as [unknown];
  const runs = countedRuns.parse(answer);
  return perFrame((faces) => {
    const counts = perModel((model) => {
      const { channels, width, height } = manifest[model].spec.input;
      const shape = [channels === 'grey' ? 1 : 3, height, width].join();
      const batches = runs[faces].filter(([, ...rest]) => rest.join() === shape);
      return batches.reduce((sum, [batch = 0]) => sum + batch, 0);
    });
    const counted = counts.detector + counts.landmarks + counts.embedder;
    const all = runs[faces].reduce((sum, [batch = 0]) => sum + batch, 0);
    if (counted !== all || Object.values(counts).includes(0)) throw new Error('model runs cannot be told apart');
    return counts;
  });
}
