import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { DeviceId, TenantId } from '@sightline/kernel';
import { silentLogger, StopStack, systemClock } from '@sightline/kernel';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { startEmbeddedBroker, type EmbeddedBroker } from '@sightline/messaging';
import type { Role } from '@sightline/rest-server';

import type { ModelRegistryConfig } from '../config.js';
import { startModelRegistry, type ModelRegistry, type ModelRegistryParts } from '../start-model-registry.js';
import { startTestAccess, TENANT } from './test-access.js';

/** The default models, as the whole repository keeps them. */
export const modelStoreDirectory = fileURLToPath(
  new URL('../../../../node_modules/.cache/sightline/models', import.meta.url),
);

export interface TestRequest {
  readonly role?: Role;
  readonly tenant?: string;
  /** Sent as JSON, or as it is when it is bytes. */
  readonly body?: object | Uint8Array;
}

/** A registry with a database, a broker and tokens of its own. */
export interface TestRegistry {
  readonly registry: ModelRegistry;
  readonly database: TestDatabase;
  readonly broker: EmbeddedBroker;
  /** What the registry was started with. */
  readonly config: ModelRegistryConfig;
  /** As an admin of the test's tenant unless told otherwise. */
  request(method: string, path: string, request?: TestRequest): Promise<Response>;
  /** The `Authorization` header of somebody of a tenant. */
  authorization(role?: Role, tenant?: string): Promise<string>;
  stop(): Promise<void>;
}

/** A self-test that needs no inference. */
export const testParts: ModelRegistryParts = {
  computeSelfTest: async () => ({
    seed: 1,
    detector: { values: [0], tolerance: 0.1 },
    landmarks: { values: [0], tolerance: 0.1 },
    embedding: { values: [1, 0], minimumCosine: 0.99 },
  }),
};

/**
 * Starts a registry on free ports. Start one for a file (`beforeAll`) and stop it at the end.
 *
 * @param changes replaces parts of its configuration
 */
export async function startTestRegistry(
  changes: Partial<ModelRegistryConfig> = {},
  parts: ModelRegistryParts = testParts,
): Promise<TestRegistry> {
  const stack = new StopStack();
  const folder = await mkdtemp(join(tmpdir(), 'sightline-registry-'));
  stack.push(() => rm(folder, { recursive: true, force: true }));
  const access = await startTestAccess();
  stack.push(() => access.close());
  const database = await startTestDatabase();
  stack.push(() => database.close());
  const broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    authenticate: async (username) => identityOf(username),
  });
  stack.push(() => broker.close());
  const config: ModelRegistryConfig = {
    host: '127.0.0.1',
    port: 0,
    dataDirectory: join(folder, 'data'),
    modelStoreDirectory,
    databaseUrl: database.url,
    mqtt: { url: broker.url, username: 'model-registry', password: 'registry-password' },
    access: access.access,
    modelWork: { memoryBytes: 2 ** 30, deadlineMs: 60_000 },
    log: silentLogger,
    clock: systemClock,
    ...changes,
  };
  const registry = await startModelRegistry(config, parts);
  stack.push(() => registry.stop());
  return {
    registry,
    database,
    broker,
    config,
    request: async (method, path, { role, tenant, body } = {}) => {
      const authorization = await access.authorization(role, tenant);
      const isJson = body !== undefined && !(body instanceof Uint8Array);
      return fetch(registry.url + path, {
        method,
        headers: {
          authorization,
          ...(body !== undefined && { 'content-type': isJson ? 'application/json' : 'application/octet-stream' }),
        },
        ...(body !== undefined && { body: isJson ? JSON.stringify(body) : Buffer.from(body) }),
      });
    },
    authorization: (role, tenant) => access.authorization(role, tenant),
    stop: () => stack.stop(),
  };
}

/** `model-registry` is the service; anybody else is the box `tenant/device` that it says it is. */
function identityOf(username: string) {
  if (username === 'model-registry') return { kind: 'service' as const, name: username };
  const [tenantId = TENANT, deviceId = 'gate-1'] = username.split('/');
  return { kind: 'device' as const, tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
}
