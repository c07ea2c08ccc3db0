import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

import { rest } from '@sightline/contracts';
import { parseConfiguration, readConfiguration, writeFileDurably } from '@sightline/host';
import { AppError, systemClock } from '@sightline/kernel';
import { z } from 'zod';

import { lockDataDirectory } from '../config/data-directory-lock.js';
import { printFindings, type Finding } from './findings.js';
import { inspectProvisioning } from './inspect-provisioning.js';
import { reachBroker } from './reach-broker.js';

export interface ProvisionOptions {
  /** Folder of the configuration. */
  readonly directory: string;
  readonly dataDirectory: string;
  readonly offline?: boolean;
  readonly force?: boolean;
}

/** Only the owner, who is root where the agent is a service: systemd hands the files on. */
const PRIVATE = 0o600;

/**
 * Gives this box its identity: takes the document that the cloud's `POST /v1/devices` answered, checks all of it, and
 * writes it. Nothing is written when anything is wrong with it.
 *
 * @param input path of the document, or `-` for the standard input
 * @throws AppError `CONFIG.INVALID`, `PROVISIONING.BROKER_UNREACHABLE`, `PROVISIONING.OTHER_IDENTITY` when the box has
 *   another one and `force` is not given, `AGENT.ALREADY_RUNNING` when an agent of that other one runs
 */
export async function provision(input: string, options: ProvisionOptions): Promise<void> {
  const provisioning = await readProvisioning(input);
  const findings = inspectProvisioning(provisioning, systemClock.wallMs());
  const broker = options.offline === true ? undefined : await reachBroker(provisioning.mqtt);
  console.log(printFindings([...findings, ...(broker ? [broker] : [])]));
  refuseBad(findings);
  if (broker?.verdict === 'bad') {
    throw new AppError('PROVISIONING.BROKER_UNREACHABLE', 'The broker does not answer; --offline does without.', {
      retryable: true,
    });
  }
  const directory = resolve(options.directory);
  const path = join(directory, 'provisioning.json');
  const configuration = join(directory, 'edge-agent.json');
  const dataDirectory = (await configuredDataDirectory(configuration)) ?? options.dataDirectory;
  await giveUpIdentity(path, provisioning, { ...options, dataDirectory });
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await writeFileDurably(path, `${JSON.stringify(provisioning, null, 2)}\n`, PRIVATE);
  console.log(`wrote ${path}`);
  await writeFirstConfiguration(configuration, options);
}

async function readProvisioning(input: string): Promise<rest.Provisioning> {
  if (input !== '-') return readConfiguration(input, rest.provisioningSchema);
  const content = await text(process.stdin);
  try {
    return parseConfiguration(rest.provisioningSchema, JSON.parse(content), 'The provisioning');
  } catch (error) {
    // Without the parser's own error: it quotes the text around the mistake.
    if (error instanceof SyntaxError) throw new AppError('CONFIG.INVALID', 'The provisioning cannot be read as JSON.');
    throw error;
  }
}

function refuseBad(findings: readonly Finding[]): void {
  const bad = findings.filter(({ verdict }) => verdict === 'bad');
  if (bad.length === 0) return;
  throw new AppError('CONFIG.INVALID', 'The provisioning is not usable.', {
    details: { keys: bad.map(({ about }) => about) },
  });
}

/**
 * What a box has recorded is its old identity's: it must not be sent under the new one. It is moved aside, not deleted,
 * for whoever wants to send it yet.
 */
async function giveUpIdentity(
  path: string,
  { tenantId, deviceId }: rest.Provisioning,
  { dataDirectory, force }: ProvisionOptions,
): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === undefined) return;
  const old = rest.provisioningSchema.safeParse(parseJson(before)).data;
  if (old?.tenantId === tenantId && old.deviceId === deviceId) return;
  if (force !== true) {
    const whose = old ? `${old.tenantId}/${old.deviceId}` : 'one that cannot be read';
    throw new AppError('PROVISIONING.OTHER_IDENTITY', `The box has an identity: ${whose}. --force replaces it.`);
  }
  if (!(await stat(dataDirectory).catch(() => undefined))) return;
  const unlock = await lockDataDirectory(dataDirectory);
  await unlock();
  const aside = `${dataDirectory}.${old?.deviceId ?? 'unknown'}-${systemClock.wallMs()}`;
  await rename(dataDirectory, aside);
  console.log(`moved what the old identity had recorded to ${aside}`);
}

/** Where the agent of an existing configuration keeps what it has recorded. */
async function configuredDataDirectory(path: string): Promise<string | undefined> {
  const content = await readFile(path, 'utf8').catch(() => undefined);
  const { data } = z.object({ dataDirectory: z.string() }).safeParse(parseJson(content ?? ''));
  return data && resolve(dirname(path), data.dataDirectory);
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

async function writeFirstConfiguration(path: string, { dataDirectory }: ProvisionOptions): Promise<void> {
  if (await stat(path).catch(() => undefined)) {
    console.log(`kept ${path}; restart the agent`);
    return;
  }
  const config = { dataDirectory: resolve(dataDirectory), provisioningFile: 'provisioning.json', cameras: [] };
  await writeFileDurably(path, `${JSON.stringify(config, null, 2)}\n`, PRIVATE);
  console.log(`wrote ${path}: add the cameras, then try "sightline-edge-agent check --config ${path}"`);
}
