import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { z } from 'zod';

import { median, significant } from '../statistics.js';

const program = fileURLToPath(new URL('../../../../apps/edge-agent/dist/testing/outbox-rates.js', import.meta.url));
const ratesSchema = z.object({ grouped: z.array(z.number()), single: z.array(z.number()) });

export interface OutboxReport {
  /** Rows a second in group commit over one row a commit, medians of the turns; both durable. */
  readonly groupOverSingle: number;
  readonly groupRowsPerSecond: number;
  readonly singleRowsPerSecond: number;
}

/**
 * What the group commit of the outbox gains: records of 700 bytes, both ways with synchronous FULL, in turns.
 * The files lie in the working directory: a folder for temporary files may be in memory, where a sync is free.
 */
export async function measureOutbox(seconds = 3, turns = 3): Promise<OutboxReport> {
  const directory = await mkdtemp(join(process.cwd(), 'reports-outbox-'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program, directory, `${seconds}`, `${turns}`]);
    const { grouped, single } = ratesSchema.parse(JSON.parse(stdout));
    const [group, alone] = [median(grouped), median(single)];
    return {
      groupOverSingle: significant(group / alone),
      groupRowsPerSecond: significant(group),
      singleRowsPerSecond: significant(alone),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(await measureOutbox());
