import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { silentLogger, systemClock } from '@sightline/kernel';
import { availableProviders } from '@sightline/onnx-runtime';

import type { EdgeAgentConfig } from '../config/config.js';
import { loadConfiguration, type ConfigurationLayers } from '../config/load-config.js';
import { originsOf } from '../config/origins.js';
import { configurationJsonSchema } from '../config/settings.js';
import { DesiredSettings } from '../update/desired-settings.js';
import { DesiredVersionsFile } from '../update/desired-versions.js';
import { reachBroker } from './reach-broker.js';
import { withRunningCertificate } from '../uplink/certificates/compose-certificates.js';
import { exitCodes } from './exit-codes.js';
import { ffmpegVersion } from './ffmpeg-version.js';
import { printFindings, type Finding } from './findings.js';
import { inspectProvisioning } from './inspect-provisioning.js';

export interface CheckOptions {
  readonly config: string;
  readonly print?: boolean;
  readonly schema?: boolean;
  readonly online?: boolean;
}

/** Says everything that is wrong with a configuration, and with what it needs of this box. Changes nothing. */
export async function check({ config: path, print, schema, online }: CheckOptions): Promise<void> {
  if (schema === true) {
    console.log(JSON.stringify(configurationJsonSchema(), null, 2));
    return;
  }
  const { config, layers } = loadConfiguration(path, process.env, silentLogger);
  if (print === true) {
    console.log(printOrigins(config, layers));
    return;
  }
  const provisioning = withRunningCertificate(config);
  const findings = [
    ...inspectProvisioning(provisioning, systemClock.wallMs()),
    await inspectDataDirectory(config),
    ...inspectProviders(config),
    ...(await inspectCameras(config)),
    ...(online === true ? [await reachBroker(provisioning.mqtt)] : []),
  ];
  console.log(printFindings(findings));
  if (findings.some(({ verdict }) => verdict === 'bad')) process.exitCode = exitCodes.configuration;
}

function printOrigins(config: EdgeAgentConfig, layers: ConfigurationLayers): string {
  const versions = new DesiredVersionsFile(join(config.dataDirectory, 'desired.json'), silentLogger);
  const defaults = { sighting: config.sighting, delivery: config.delivery };
  const settings = new DesiredSettings({
    ...{ defaults, versions, siteId: config.provisioning.siteId, log: silentLogger },
    onChange: () => undefined,
  });
  const policies = settings.policies as unknown as Record<string, Record<string, unknown>>;
  const desired = new Map(
    settings.desiredKeys.map((key) => {
      const [section = '', name = ''] = key.split('.');
      return [key, policies[section]?.[name]];
    }),
  );
  return originsOf(config, layers, desired)
    .map(({ key, shown, origin }) => `${key} = ${shown}   [${origin}]`)
    .join('\n');
}

/** The folder, or the one that it will be made in: writable, with room for the outbox. */
async function inspectDataDirectory({ dataDirectory, outbox }: EdgeAgentConfig): Promise<Finding> {
  const about = 'dataDirectory';
  let at = dataDirectory;
  while (!(await exists(at)) && dirname(at) !== at) at = dirname(at);
  try {
    await access(at, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(at);
    const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`;
    const message = `${dataDirectory}: ${megabytes(bavail * bsize)} free, outbox.maximumBytes is ${megabytes(outbox.maximumBytes)}`;
    return { about, verdict: bavail * bsize < outbox.maximumBytes ? 'doubtful' : 'good', message };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return { about, verdict: 'bad', message: `${at} cannot be written to (${code})` };
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function inspectProviders({ recognition }: EdgeAgentConfig): readonly Finding[] {
  const available = availableProviders();
  return recognition.providers.map((provider): Finding => {
    const about = 'recognition.providers';
    return available.includes(provider)
      ? { about, verdict: 'good', message: `${provider} is in this ONNX Runtime; "devices" tries it` }
      : { about, verdict: 'doubtful', message: `${provider} is not in this ONNX Runtime (${available.join(', ')})` };
  });
}

async function inspectCameras({ cameras }: EdgeAgentConfig): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { id, source } of cameras) {
    const about = `cameras.${id}`;
    const path = 'path' in source ? source.path : 'directory' in source ? source.directory : undefined;
    const needed = path ?? ('device' in source ? source.device : 'script' in source ? source.script : undefined);
    if (needed === undefined) findings.push({ about, verdict: 'good', message: source.kind });
    else if (await exists(needed)) findings.push({ about, verdict: 'good', message: `${source.kind}: ${needed}` });
    else findings.push({ about, verdict: 'bad', message: `${needed} is not there` });
  }
  if (cameras.some(({ source }) => source.kind !== 'folder' && source.kind !== 'demo')) {
    findings.push(await inspectFfmpeg());
  }
  return findings;
}

async function inspectFfmpeg(): Promise<Finding> {
  const about = 'ffmpeg';
  const version = await ffmpegVersion();
  if (version === undefined) return { about, verdict: 'bad', message: 'is not in the path, and cameras need it' };
  // 5.0 is the first that takes options in a concat script: see docs/edge-agent.md.
  const major = Number(/^n?(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  return major < 5
    ? { about, verdict: 'bad', message: `${version} is older than 5.0` }
    : { about, verdict: 'good', message: version };
}
