import { createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

import { rest } from '@sightline/contracts';
import { parseConfiguration, readConfiguration, writeFileDurably } from '@sightline/host';
import { AppError, systemClock } from '@sightline/kernel';
import { z } from 'zod';

import { lockDataDirectory } from '../config/data-directory-lock.js';
import { keyPem, newDeviceKey } from '../uplink/certificates/certificate-request.js';
import { enrolCertificate } from '../uplink/certificates/certificate-service.js';
import { printFindings, type Finding } from './findings.js';
import { inspectProvisioning } from './inspect-provisioning.js';
import { reachBroker } from './reach-broker.js';

export interface ProvisionOptions {
  /** Folder of the configuration. */
  readonly directory: string;
  readonly dataDirectory: string;
  /** Base address of the cloud API, where the document has none. */
  readonly cloudUrl?: string;
  readonly offline?: boolean;
  readonly force?: boolean;
}

/** Only the owner, who is root where the agent is a service: systemd hands the files on. */
const PRIVATE = 0o600;

/**
 * Gives this box its identity: takes the document that the cloud's `POST /v1/devices` answered, checks all of it, fetches
 * the box's certificate for the document's token, and writes it all. The identity is not touched when anything is wrong.
 * A second try with the same document goes on where the first one failed.
 *
 * @param input path of the document, or `-` for the standard input
 * @throws AppError `CONFIG.INVALID`, `PROVISIONING.BROKER_UNREACHABLE`, `PROVISIONING.OTHER_IDENTITY` when the box has
 *   another one and `force` is not given, `AGENT.ALREADY_RUNNING` when an agent of that other one runs,
 *   `CERTIFICATE.UNREACHABLE`, `ENROLMENT_TOKEN.INVALID`
 */
export async function provision(input: string, options: ProvisionOptions): Promise<void> {
  const given = withCloudUrl(await readProvisioning(input), options.cloudUrl);
  const directory = resolve(options.directory);
  const path = join(directory, 'provisioning.json');
  await refuseOtherIdentity(path, given, options);
  refuseBad(inspectProvisioning(given, systemClock.wallMs()));
  const provisioning = options.offline === true ? given : await enrolled(given, directory);
  const findings = inspectProvisioning(provisioning, systemClock.wallMs());
  const broker = options.offline === true ? undefined : await reachBroker(provisioning.mqtt);
  console.log(printFindings([...findings, ...(broker ? [broker] : [])]));
  refuseBad(findings);
  if (broker?.verdict === 'bad') {
    throw new AppError('PROVISIONING.BROKER_UNREACHABLE', 'The broker does not answer; --offline does without.', {
      retryable: true,
    });
  }
  const configuration = join(directory, 'edge-agent.json');
  const dataDirectory = (await configuredDataDirectory(configuration)) ?? options.dataDirectory;
  await giveUpIdentity(path, provisioning, { ...options, dataDirectory });
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await writeFileDurably(path, `${JSON.stringify(provisioning, null, 2)}\n`, PRIVATE);
  await rm(pendingKey(directory), { force: true });
  console.log(`wrote ${path}`);
  await writeFirstConfiguration(configuration, options);
}

function withCloudUrl(provisioning: rest.Provisioning, cloudUrl: string | undefined): rest.Provisioning {
  const { enrolment } = provisioning;
  return cloudUrl === undefined ? provisioning : { ...provisioning, enrolment: { ...enrolment, url: cloudUrl } };
}

const pendingKey = (directory: string): string => join(directory, 'device-key.pending.pem');

/**
 * The document with the box's certificate in the place of the token that it was given for. Without a token, or an address
 * to take it to, as it is.
 */
async function enrolled(provisioning: rest.Provisioning, directory: string): Promise<rest.Provisioning> {
  const { mqtt, enrolment } = provisioning;
  if (enrolment?.token === undefined || enrolment.url === undefined) return provisioning;
  const { url, token } = enrolment;
  const key = await keyFor(pendingKey(directory));
  const { certificate, authorities, expiresAt } = await enrolCertificate(url, { token, key, username: mqtt.username });
  console.log(`got a certificate that is valid until ${expiresAt}; the agent renews it`);
  const tls = { ca: mqtt.tls?.ca ?? authorities, certificate, key: keyPem(key) };
  return { ...provisioning, mqtt: { ...mqtt, tls }, enrolment: { url } };
}

/** The token is good for one key: it must be there for a second try before the first one begins. */
async function keyFor(path: string): Promise<KeyObject> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  try {
    if (kept !== undefined) return createPrivateKey(kept);
  } catch {
    // Cut short by a power failure: it was never used.
  }
  const key = newDeviceKey();
  await writeFileDurably(path, keyPem(key), PRIVATE);
  return key;
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

type Identity = Pick<rest.Provisioning, 'tenantId' | 'deviceId'>;

/** Who the box is so far: undefined when it is nobody, or the same as it will be. */
async function otherIdentity(
  path: string,
  { tenantId, deviceId }: Identity,
): Promise<Identity | 'unreadable' | undefined> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === undefined) return undefined;
  const old = rest.provisioningSchema.safeParse(parseJson(before)).data;
  if (old === undefined) return 'unreadable';
  return old.tenantId === tenantId && old.deviceId === deviceId ? undefined : old;
}

async function refuseOtherIdentity(path: string, next: Identity, { force }: ProvisionOptions): Promise<void> {
  const old = force === true ? undefined : await otherIdentity(path, next);
  if (old === undefined) return;
  const whose = old === 'unreadable' ? 'one that cannot be read' : `${old.tenantId}/${old.deviceId}`;
  throw new AppError('PROVISIONING.OTHER_IDENTITY', `The box has an identity: ${whose}. --force replaces it.`);
}

/**
 * What a box has recorded is its old identity's: it must not be sent under the new one. It is moved aside, not deleted,
 * for whoever wants to send it yet.
 */
async function giveUpIdentity(path: string, next: Identity, { dataDirectory }: ProvisionOptions): Promise<void> {
  const old = await otherIdentity(path, next);
  if (old === undefined || !(await stat(dataDirectory).catch(() => undefined))) return;
  const unlock = await lockDataDirectory(dataDirectory);
  await unlock();
  const aside = `${dataDirectory}.${old === 'unreadable' ? 'unknown' : old.deviceId}-${systemClock.wallMs()}`;
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
