import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, systemClock, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import { startEmbeddedBroker, type BrokerIdentity, type EmbeddedBroker } from '@sightline/messaging';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';

import type { AccessConfig } from '../access/access-config.js';
import type { CloudApiConfig } from '../config.js';
import type { QdrantConfig } from '../identification/gallery-config.js';
import type { ReleaseSource } from '../releases/active-release.js';
import { startWith, type StartedCloudApi } from '../start-cloud-api.js';
import { fakeReleaseSource } from './fake-release.js';

export const TENANT = 'default' as TenantId;
export const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const SERVICE = { username: 'cloud-api', password: 'service-secret' };

export interface TestCloud {
  readonly api: StartedCloudApi;
  readonly config: CloudApiConfig;
  readonly broker: EmbeddedBroker;
  /** A REST request with the API key, unless it brings its own headers. */
  request(options: InjectOptions): Promise<LightMyRequestResponse>;
  /** Another process on the same database and broker account, once this one is stopped. */
  restart(): Promise<StartedCloudApi>;
  stop(): Promise<void>;
}

export interface TestCloudOptions {
  readonly releaseSource?: ReleaseSource;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Who is let in besides the admin's key. */
  readonly access?: AccessConfig;
  /** A gallery that processes share. */
  readonly qdrant?: QdrantConfig;
  readonly webhooks?: CloudApiConfig['webhooks'];
  /** Where boxes are told to reach it. */
  readonly publicUrl?: string;
}

/** A cloud API on a real database and a real broker. */
export async function startTestCloud(options: TestCloudOptions = {}): Promise<TestCloud> {
  const { releaseSource = fakeReleaseSource, clock = systemClock, log = silentLogger } = options;
  const stack = new StopStack();
  const database = await startTestDatabase();
  stack.push(() => database.close());
  const dataDirectory = await mkdtemp(join(tmpdir(), 'sightline-cloud-test-'));
  stack.push(() => rm(dataDirectory, { recursive: true, force: true }));
  let api: StartedCloudApi | undefined;
  const broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    authenticate: async (username, password): Promise<BrokerIdentity | undefined> => {
      if (username === SERVICE.username && password === SERVICE.password) return { kind: 'service', name: username };
      return api?.verifyDevice(username, password);
    },
    authenticateCertificate: async (certificate) => api?.verifyDeviceCertificate(certificate),
    log,
  });
  stack.push(() => broker.close());
  const config: CloudApiConfig = {
    host: '127.0.0.1',
    port: 0,
    databaseUrl: database.url,
    mqtt: { url: broker.url, ...SERVICE },
    repositoryUrl: 'http://127.0.0.1:9/repository',
    trustedRoot: new Uint8Array([1, 2, 3]),
    dataDirectory,
    tenantId: TENANT,
    bootstrapAdminKey: ADMIN_KEY,
    access: options.access,
    qdrant: options.qdrant,
    webhooks: options.webhooks,
    publicUrl: options.publicUrl,
    keyEncryptionKey: new Uint8Array(32).fill(7),
    falseMatchRate: 1e-3,
    inferenceWorkers: 1,
    disconnectDevice: (clientId) => broker.disconnect(clientId),
    log,
    clock,
  };
  const started = (api = await startWith(config, releaseSource));
  stack.push(() => api?.stop());
  return {
    api: started,
    config,
    broker,
    request: (request) =>
      (api ?? started).app.inject({
        ...request,
        headers: { authorization: `Bearer ${ADMIN_KEY}`, ...request.headers },
      }),
    restart: async () => (api = await startWith(config, releaseSource)),
    stop: () => stack.stop(),
  };
}
