import { createHash, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';

import { startCloudApi, type CloudApi } from '@sightline/cloud-api';
import { startEmbeddedPostgres } from '@sightline/database';
import { AppError, errorMessage, StopStack, systemClock, type Clock, type Logger } from '@sightline/kernel';
import { startEmbeddedBroker, type BrokerIdentity, type EmbeddedBroker } from '@sightline/messaging';
import { startModelRegistry } from '@sightline/model-registry';

import type { HubConfig, HubReady } from './hub-config.js';

const HOST = '127.0.0.1';
const READY_POLL_MS = 100;
const CLOUD_API = 'cloud-api';
const MODEL_REGISTRY = 'model-registry';

type VerifyDevice = (username: string, password: string) => Promise<BrokerIdentity | undefined>;
type Devices = Partial<Pick<CloudApi, 'verifyDevice' | 'verifyDeviceCertificate'>>;

export interface Hub {
  readonly ready: HubReady;
  stop(): Promise<void>;
}

export interface HubOptions {
  readonly log: Logger;
  /** Stops a start that is under way. */
  readonly signal?: AbortSignal;
  /** A part that the hub cannot do without has ended by itself: the process should end and be started again. */
  readonly onFailure: (error: Error) => void;
}

/** Broker, model registry, cloud API and one database, in one process. */
export async function startHub(config: HubConfig, options: HubOptions): Promise<Hub> {
  const { log } = options;
  const stack = new StopStack();
  try {
    return await start(config, options, stack);
  } catch (error) {
    await stack.stop().catch((stopError: unknown) => {
      log.warn({ reason: errorMessage(stopError) }, 'a failed start did not clean up');
    });
    throw error;
  }
}

async function start(config: HubConfig, { log, signal, onFailure }: HubOptions, stack: StopStack): Promise<Hub> {
  const { dataDirectory, ports, secrets, tenantId } = config;
  const clock = systemClock;
  const abort = signal && { signal };

  const postgres = await startEmbeddedPostgres({ directory: join(dataDirectory, 'postgres'), log, clock, ...abort });
  stack.push(() => postgres.stop());
  void postgres.exited.then(({ expected }) => {
    if (!expected) onFailure(new AppError('HUB.DATABASE_ENDED', 'The embedded database ended by itself.'));
  });

  const devices: { api?: CloudApi } = {};
  const broker = await startEmbeddedBroker({
    host: HOST,
    port: ports.mqtt,
    authenticate: authenticator(config, () => devices.api ?? {}),
    authenticateCertificate: async (certificate) => devices.api?.verifyDeviceCertificate(certificate),
    log,
  });
  stack.push(() => broker.close());

  const registry = await startModelRegistry({
    host: HOST,
    port: ports.registry,
    dataDirectory: join(dataDirectory, MODEL_REGISTRY),
    modelStoreDirectory: config.modelStoreDirectory,
    databaseUrl: postgres.url,
    mqtt: { url: broker.url, username: MODEL_REGISTRY, password: secrets.registryMqttPassword },
    access: { cloudApiUrl: `http://${HOST}:${ports.api}` },
    modelWork: { memoryBytes: 2 ** 31, deadlineMs: 3_600_000 },
    log: log.child({ part: MODEL_REGISTRY }),
    clock,
    ...abort,
  });
  stack.push(() => registry.stop());

  const api = await startCloudApi({
    host: HOST,
    port: ports.api,
    databaseUrl: postgres.url,
    mqtt: { url: broker.url, username: CLOUD_API, password: secrets.cloudMqttPassword, ...publicUrlOf(config) },
    publicUrl: `http://${HOST}:${ports.api}`,
    disconnectDevice: (clientId) => broker.disconnect(clientId),
    repositoryUrl: registry.repositoryUrl,
    trustedRoot: registry.trustedRoot(),
    dataDirectory: join(dataDirectory, CLOUD_API),
    tenantId,
    bootstrapAdminKey: secrets.adminKey,
    keyEncryptionKey: Buffer.from(secrets.keyEncryptionKey, 'base64'),
    falseMatchRate: config.falseMatchRate,
    inferenceWorkers: 1,
    log: log.child({ part: CLOUD_API }),
    clock,
  });
  stack.push(() => api.stop());
  devices.api = api;
  await listenForBoxes(config, broker, api);

  await untilReady(api.url, clock, signal);
  return {
    ready: { kind: 'hub-ready', apiUrl: api.url, registryUrl: registry.url, mqttUrl: broker.url },
    stop: () => stack.stop(),
  };
}

/** Where boxes with certificates come to. */
function publicUrlOf({ mqtts }: HubConfig): { readonly publicUrl?: string } {
  return mqtts ? { publicUrl: `mqtts://${mqtts.names[0]}:${mqtts.port}` } : {};
}

/** The authority is the cloud API's, which needs the broker: so this listener comes last. */
async function listenForBoxes({ mqtts }: HubConfig, broker: EmbeddedBroker, api: CloudApi): Promise<void> {
  if (!mqtts) return;
  const { host, port, names } = mqtts;
  await broker.listenTls({ host, port, ...(await api.brokerCertificate(names)) });
}

/** The cloud API serves before its release is fetched and tested; a hub is up when both are done. */
async function untilReady(apiUrl: string, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  const address = new URL('/health/ready', apiUrl);
  for (;;) {
    const response = await fetch(address, signal ? { signal } : {});
    await response.body?.cancel();
    if (response.ok) return;
    await clock.sleep(READY_POLL_MS, signal);
  }
}

/**
 * Services have their own passwords in the configuration; devices are the cloud API's, which starts after the
 * broker: until it is there a device is told that the server is unavailable, and tries again.
 */
function authenticator({ secrets }: HubConfig, devices: () => Devices): VerifyDevice {
  const services = new Map([
    [CLOUD_API, secrets.cloudMqttPassword],
    [MODEL_REGISTRY, secrets.registryMqttPassword],
  ]);
  return async (username, password) => {
    const expected = services.get(username);
    if (expected !== undefined) {
      return sameSecret(expected, password) ? { kind: 'service', name: username } : undefined;
    }
    const { verifyDevice } = devices();
    if (!verifyDevice) {
      throw new AppError('SERVICE.UNAVAILABLE', 'Devices cannot be told apart yet.', { retryable: true });
    }
    return verifyDevice(username, password);
  };
}

function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
