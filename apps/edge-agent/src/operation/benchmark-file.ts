import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { create } from '@bufbuild/protobuf';
import { DeviceBenchmarkSchema, type DeviceBenchmark } from '@sightline/contracts';
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
function readBenchmark(dataDirectory: string): Benchmark | undefined {
  try {
    return benchmarkSchema.parse(JSON.parse(readFileSync(pathIn(dataDirectory), 'utf8')));
  } catch {
    return undefined;
  }
}

/** The last measurement in the wire's form, for a birth. */
export function benchmarkForBirth(dataDirectory: string): { readonly benchmark?: DeviceBenchmark } {
  const measured = readBenchmark(dataDirectory);
  if (!measured) return {};
  const { stageMs, processor, release, provider, workers, memoryMegabytes, besideAgent } = measured;
  const benchmark = create(DeviceBenchmarkSchema, {
    measuredWallMs: BigInt(Date.parse(measured.measuredAt)),
    releaseDigest: release.digest,
    ...{ provider, workers, memoryMegabytes, besideAgent },
    processor: processor.model,
    cores: processor.cores,
    detectMs: stageMs.detect?.p50 ?? 0,
    landmarksMs: stageMs.landmarks?.p50 ?? 0,
    alignMs: stageMs.align?.p50 ?? 0,
    embedMs: stageMs.embed?.p50 ?? 0,
    framesPerSecond: measured.framesPerSecond,
    embeddingsPerSecond: measured.embeddingsPerSecond,
  });
  return { benchmark };
}
