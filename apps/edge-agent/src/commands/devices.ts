import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { availableProviders } from '@sightline/onnx-runtime';

import { loadEdgeAgentConfig } from '../config/load-config.js';
import { ffmpegVersion } from './ffmpeg-version.js';
import { probeProvider, type ProviderFacts } from './probe-provider.js';

export interface DevicesOptions {
  /** Where it is there: the providers are tried with its release, in its order. */
  readonly config?: string;
  readonly json?: boolean;
}

interface VideoDevice {
  readonly device: string;
  readonly name: string;
}

interface Devices {
  readonly processor: { readonly model: string; readonly cores: number; readonly architecture: string };
  readonly providers: readonly ProviderFacts[];
  /** What the agent would run on: the first of the wanted that runs. */
  readonly wouldUse: string;
  readonly cameras: readonly VideoDevice[];
  readonly ffmpeg: string | null;
}

/** Says what this box has to compute and to see with. */
export async function devices({ config: path, json }: DevicesOptions): Promise<void> {
  const config = path === undefined ? undefined : loadEdgeAgentConfig(path, process.env, silentLogger);
  const wanted = config?.recognition.providers ?? ['cpu'];
  const providers: ProviderFacts[] = [];
  // One after the other: each is to have the box to itself.
  for (const provider of new Set([...wanted, ...availableProviders(), 'cpu'])) {
    providers.push(await probeProvider(provider, config?.dataDirectory));
  }
  const found: Devices = {
    processor: { model: cpus()[0]?.model ?? 'unknown', cores: cpus().length, architecture: process.arch },
    providers,
    wouldUse: wanted.find((name) => providers.some(({ provider, runs }) => provider === name && runs)) ?? 'cpu',
    cameras: await videoDevices(),
    ffmpeg: (await ffmpegVersion()) ?? null,
  };
  console.log(json === true ? JSON.stringify(found, null, 2) : describe(found));
}

/** Video devices as Linux lists them. Without such a list there are none. */
async function videoDevices(): Promise<readonly VideoDevice[]> {
  const folder = '/sys/class/video4linux';
  const names = await readdir(folder).catch(() => []);
  return Promise.all(
    names.sort().map(async (entry) => ({
      device: `/dev/${entry}`,
      name: (await readFile(join(folder, entry, 'name'), 'utf8').catch(() => 'unknown')).trim(),
    })),
  );
}

function describe({ processor, providers, wouldUse, cameras, ffmpeg }: Devices): string {
  const { model, cores, architecture } = processor;
  return [
    `processor   ${model}, ${cores} cores, ${architecture}`,
    ...providers.map((facts) => `provider    ${describeProvider(facts)}`),
    `would use   ${wouldUse}`,
    ...(cameras.length === 0
      ? ['video4linux none']
      : cameras.map(({ device, name }) => `video4linux ${device} (${name})`)),
    `ffmpeg      ${ffmpeg ?? 'not in the path: cameras and video files need it'}`,
  ].join('\n');
}

function describeProvider({ provider, runs, reason, loadMs, release }: ProviderFacts): string {
  if (!runs) return `${provider}: does not run here: ${(reason ?? '').split('\n', 1)[0] ?? ''}`;
  const tried = release
    ? `release ${release.version} opens in ${Math.round(release.openMs)} ms on ${release.provider}, self-test passed`
    : 'no release is active yet';
  return `${provider}: runs (${Math.round(loadMs ?? 0)} ms); ${tried}`;
}
