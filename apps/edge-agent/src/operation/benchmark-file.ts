import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileDurably } from '@sightline/host';
import { z } from 'zod';

const stageSchema = z.object({ p50: z.number(), p95: z.number(), samples: z.number() }).nullable();

const benchmarkSchema = z.object({
  measuredAt: z.iso.datetime(),
  agentVersion: z.string(),
  release: z.object({ version: z.string(), digest: z.string() }),
  /** Execution provider that the models really ran on. */
  provider: z.string(),
  workers: z.number().int(),
  processor: z.object({ model: z.string(), cores: z.number().int(), architecture: z.string() }),
  memoryMegabytes: z.number(),
  /** An agent ran at the same time: the box is faster than this. */
  besideAgent: z.boolean(),
  stageMs: z.object({ detect: stageSchema, landmarks: stageSchema, align: stageSchema, embed: stageSchema }),
  framesPerSecond: z.number(),
  embeddingsPerSecond: z.number(),
});
/** What `sightline-edge-agent bench` has measured on this box. */
export type Benchmark = z.infer<typeof benchmarkSchema>;

const pathIn = (dataDirectory: string): string => join(dataDirectory, 'benchmark.json');

/** Keeps the last measurement, for the agent to tell. */
export async function writeBenchmark(dataDirectory: string, benchmark: Benchmark): Promise<void> {
  await writeFileDurably(pathIn(dataDirectory), `${JSON.stringify(benchmark, null, 2)}\n`);
}

/** The last measurement; undefined when there is none that can be read. */
export async function readBenchmark(dataDirectory: string): Promise<Benchmark | undefined> {
  try {
    return benchmarkSchema.parse(JSON.parse(await readFile(pathIn(dataDirectory), 'utf8')));
  } catch {
    return undefined;
  }
}
