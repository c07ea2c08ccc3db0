import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

import { AppError, silentLogger, systemClock, type TenantId } from '@sightline/kernel';
import { openRecogniser, syntheticFrame } from '@sightline/recognition';
import { createTemplateProtector } from '@sightline/template-protection';

import { agentVersion } from '../agent-version.js';
import type { EdgeAgentConfig } from '../config/config.js';
import { lockDataDirectory } from '../config/data-directory-lock.js';
import { loadEdgeAgentConfig } from '../config/load-config.js';
import { writeBenchmark, type Benchmark } from '../operation/benchmark-file.js';
import { activeBundle } from './active-bundle.js';
import { measureRecogniser } from './measure-recogniser.js';

export interface BenchOptions {
  readonly config: string;
  readonly seconds: number;
  readonly output?: string;
  readonly report: boolean;
}

/**
 * Measures how fast this box recognises, with its active release, its workers and its execution providers. The figures
 * go to the standard output, and with the agent's next birth to the registry.
 *
 * @throws AppError `RELEASE.UNAVAILABLE` before a release is active
 */
export async function bench({ config: path, seconds, output, report }: BenchOptions): Promise<void> {
  const config = loadEdgeAgentConfig(path, process.env, silentLogger);
  const benchmark = await measure(config, seconds);
  const text = `${JSON.stringify(benchmark, null, 2)}\n`;
  process.stdout.write(text);
  if (output !== undefined) await writeFile(output, text);
  if (report) await writeBenchmark(config.dataDirectory, benchmark);
}

async function measure(config: EdgeAgentConfig, seconds: number): Promise<Benchmark> {
  const { recognition, provisioning, dataDirectory } = config;
  const bundle = await activeBundle(dataDirectory);
  if (!bundle) {
    throw new AppError('RELEASE.UNAVAILABLE', 'No release is active on this box yet: let the agent run once.', {
      retryable: true,
    });
  }
  const besideAgent = await agentRuns(dataDirectory);
  const { tenantId, templateKey } = provisioning;
  const recogniser = await openRecogniser({ bundle, ...recognition });
  try {
    const secret = Buffer.from(templateKey.secret, 'base64');
    const key = { secret, tenantId: tenantId as TenantId, epoch: templateKey.epoch };
    const protector = createTemplateProtector({ ...key, dimension: recogniser.dimension });
    const frame = syntheticFrame(bundle.manifest.selfTest.seed);
    const { workers } = recognition;
    const figures = await measureRecogniser({
      ...{ bundle, recogniser, protector, frame, workers, clock: systemClock },
      milliseconds: (seconds * 1000) / 2,
    });
    return {
      measuredAt: new Date(systemClock.wallMs()).toISOString(),
      agentVersion: agentVersion(),
      release: { version: bundle.manifest.version, digest: bundle.digest },
      provider: recogniser.provider,
      workers,
      processor: { model: cpus()[0]?.model ?? 'unknown', cores: cpus().length, architecture: process.arch },
      memoryMegabytes: Math.round(totalmem() / 1024 / 1024),
      besideAgent,
      ...figures,
    };
  } finally {
    await recogniser.close();
  }
}

/** Whether an agent works on this box meanwhile, which slows the measurement down. */
async function agentRuns(dataDirectory: string): Promise<boolean> {
  try {
    const unlock = await lockDataDirectory(dataDirectory);
    await unlock();
    return false;
  } catch {
    return true;
  }
}
