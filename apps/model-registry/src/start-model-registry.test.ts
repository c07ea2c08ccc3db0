import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DesiredReleaseSchema,
  DeviceBenchmarkSchema,
  DeviceBirthSchema,
  topicOf,
  type DesiredRelease,
  type DeviceBenchmark,
} from '@sightline/contracts';
import type { OpenAPIObject } from '@nestjs/swagger';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, systemClock, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker, type EmbeddedBroker, type MqttConnection } from '@sightline/messaging';
import { ReleaseClient } from '@sightline/release-trust';
import { mkdtemp, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ModelRegistryConfig } from './config.js';
import { startTestAccess, type TestAccess } from './testing/test-access.js';
import { startModelRegistry, type ModelRegistry, type ModelRegistryParts } from './start-model-registry.js';

const password = 'registry-password';
const device = { tenantId: 'acme' as TenantId, deviceId: 'gate-1' as DeviceId };
const modelStoreDirectory = fileURLToPath(new URL('../../../node_modules/.cache/sightline/models', import.meta.url));

let folder: string;
let database: TestDatabase;
let broker: EmbeddedBroker;
let box: MqttConnection;
let registry: ModelRegistry;
let access: TestAccess;
let builds = 0;
const stack = new StopStack();

const startBroker = (port: number) =>
  startEmbeddedBroker({
    host: '127.0.0.1',
    port,
    authenticate: async (username) =>
      username === 'model-registry' ? { kind: 'service', name: username } : { kind: 'device', ...device },
  });

function config(): ModelRegistryConfig {
  return {
    host: '127.0.0.1',
    port: 0,
    dataDirectory: join(folder, 'data'),
    modelStoreDirectory,
    databaseUrl: database.url,
    mqtt: { url: broker.url, username: 'model-registry', password },
    access: access.access,
    modelWork: { memoryBytes: 2 ** 30, deadlineMs: 60_000 },
    log: silentLogger,
    clock: systemClock,
  };
}

const parts: ModelRegistryParts = {
  computeSelfTest: async (manifest, read) => {
    builds += 1;
    expect(read(manifest.embedder.target).length).toBe(manifest.embedder.bytes);
    return {
      seed: 1,
      detector: { values: [0], tolerance: 0.1 },
      landmarks: { values: [0], tolerance: 0.1 },
      embedding: { values: [1, 0], minimumCosine: 0.99 },
    };
  },
};
const start = (): Promise<ModelRegistry> => startModelRegistry(config(), parts);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-registry-'));
  stack.push(() => rm(folder, { recursive: true, force: true }));
  access = await startTestAccess();
  stack.push(() => access.close());
  database = await startTestDatabase();
  stack.push(() => database.close());
  broker = await startBroker(0);
  stack.push(() => broker.close());
  registry = await start();
  stack.push(() => registry.stop());
  box = await connectMqtt({ url: broker.url, clientId: 'acme/gate-1', username: 'acme/gate-1', password: 'x' });
  stack.push(() => box.close());
}, 120_000);
afterAll(() => stack.stop());

const ask = async (path: string): Promise<Response> =>
  fetch(registry.url + path, { headers: { authorization: await access.authorization('auditor') } });

const releasePath = async () => {
  const { items } = (await (await ask('/v1/releases')).json()) as {
    items: { models: { embedder: { target: string; sha256: string; bytes: number } } }[];
  };
  const { target, sha256, bytes } = items[0]!.models.embedder;
  const slash = target.lastIndexOf('/') + 1;
  return { path: `${target.slice(0, slash)}${sha256}.${target.slice(slash)}`, bytes };
};

describe('the published repository', () => {
  it('gives a device the default release, verified to the last byte', async () => {
    const client = new ReleaseClient({
      repositoryUrl: registry.repositoryUrl,
      directory: join(folder, 'device'),
      trustedRoot: registry.trustedRoot(),
      clock: systemClock,
    });
    const bundle = await client.download();
    expect(bundle.manifest.version).toBe('1.0.0');
    expect((await bundle.read(bundle.manifest.embedder.target)).length).toBe(bundle.manifest.embedder.bytes);
  });

  it('serves ranges, entity tags and HEAD', async () => {
    const { path, bytes } = await releasePath();
    const url = `${registry.repositoryUrl}/targets/${path}`;
    const part = await fetch(url, { headers: { range: `bytes=${bytes - 10}-` } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes ${bytes - 10}-${bytes - 1}/${bytes}`);
    expect((await part.arrayBuffer()).byteLength).toBe(10);
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(bytes));
    expect(head.headers.get('cache-control')).toContain('immutable');
    const tag = `If-None-Match: ${head.headers.get('etag') ?? ''}\r\n`;
    expect(await rawGet(registry.url, new URL(url).pathname, tag)).toMatch(/^HTTP\/1\.1 304/);
    const beyond = await fetch(url, { headers: { range: `bytes=${bytes}-` } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${bytes}`);
    const timestamp = await fetch(`${registry.repositoryUrl}/metadata/timestamp.json`);
    expect(timestamp.headers.get('cache-control')).toBe('no-cache');
  });

  it.each([
    '/repository/../demo-keys/demo-root.pem',
    '/repository/%2e%2e/demo-keys/demo-root.pem',
    '/repository/..%2fdemo-keys%2fdemo-root.pem',
    '/repository/targets/%2e%2e%2f%2e%2e%2fdemo-keys/demo-root.pem',
    '/repository//etc/passwd',
  ])('answers nothing outside of it: %s', async (path) => {
    const answer = await rawGet(registry.url, path);
    expect(answer).toMatch(/^HTTP\/1\.1 40[034]/);
    expect(answer).not.toContain('PRIVATE KEY');
  });

  it('keeps its keys where only the owner reads them', async () => {
    const keys = join(folder, 'data', 'demo-keys');
    expect((await stat(keys)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(keys)) expect((await stat(join(keys, name))).mode & 0o777).toBe(0o600);
  });
});

describe('the REST side', () => {
  it('tells origin, licence and thresholds of a release', async () => {
    const answer = await ask('/v1/releases/1.0.0');
    expect(await answer.json()).toMatchObject({
      version: '1.0.0',
      modelSpace: { dimension: 512 },
      models: { embedder: { licence: 'MIT', trainingData: 'unstated' } },
    });
  });

  it.each([
    ['/v1/releases/9.9.9', 'RELEASE.NOT_FOUND'],
    ['/v1/nothing', 'REQUEST.NOT_FOUND'],
    ['/repository/metadata/9.root.json', 'REQUEST.NOT_FOUND'],
  ])('answers %s with a problem document of code %s', async (path, code) => {
    const answer = await ask(path);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({ code, status: 404, type: `urn:sightline:error:${code}` });
  });

  it('describes itself, and is alive and ready', async () => {
    const openapi = (await (await fetch(`${registry.url}/openapi.json`)).json()) as OpenAPIObject;
    expect(Object.keys(openapi.paths)).toContain('/v1/releases/{version}');
    const schemas = Object.keys(openapi.components?.schemas ?? {});
    expect(schemas).toEqual(expect.arrayContaining(['ClassBenchmark', 'Health', 'Problem', 'Release', 'ReleaseList']));
    expect((await fetch(`${registry.url}/docs`)).status).toBe(200);
    expect((await fetch(`${registry.url}/health/live`)).status).toBe(200);
    await expect.poll(async () => (await fetch(`${registry.url}/health/ready`)).status).toBe(200);
  });
});

describe('a start that fails', () => {
  it('says why and leaves nothing running', async () => {
    const port = Number(new URL(registry.url).port);
    const second = { ...config(), port, dataDirectory: join(folder, 'second') };
    await expect(startModelRegistry(second, parts)).rejects.toThrow('EADDRINUSE');
  });
});

describe('the desired release of a device', () => {
  const received: DesiredRelease[] = [];
  const birth = () => box.publish(topicOf(device, 'birth'), toBinary(DeviceBirthSchema, create(DeviceBirthSchema, {})));

  it('is sent at its birth, retained, and again with the same version at the next', async () => {
    await box.subscribe(topicOf(device, 'desired/release'), async ({ payload }) => {
      received.push(fromBinary(DesiredReleaseSchema, payload));
    });
    await birth();
    await expect.poll(() => received.length, { timeout: 10_000 }).toBe(1);
    expect(received[0]).toMatchObject({
      version: 1n,
      releaseVersion: '1.0.0',
      manifestTarget: 'releases/1.0.0/manifest.json',
      repositoryUrl: registry.repositoryUrl,
    });
    await birth();
    await expect.poll(() => received.length).toBe(2);
    expect(received[1]?.version).toBe(1n);
  });

  it('is not disturbed by a birth that cannot be read', async () => {
    await box.publish(topicOf(device, 'birth'), Buffer.from([0xff, 0xff, 0xff]));
    await birth();
    await expect.poll(() => received.length).toBe(3);
  });

  it('has a higher version when its content changes, and the fleet survives a restart of registry and broker', async () => {
    const digest = received[0]!.releaseDigest;
    const rootBefore = registry.trustedRoot();
    const buildsBefore = builds;
    const { port } = broker;
    await registry.stop();
    await broker.close();
    const { path, bytes } = await releasePathOnDisk(
      join(folder, 'data', 'repository', 'targets', 'models', 'embedder'),
    );
    await truncate(path, bytes - 1);
    broker = await startBroker(port);
    registry = await start();
    expect(builds).toBe(buildsBefore);
    expect(registry.trustedRoot().equals(rootBefore)).toBe(true);
    expect((await stat(path)).size).toBe(bytes);
    await expect.poll(() => box.connected, { timeout: 20_000 }).toBe(true);
    await expect.poll(async () => (await fetch(`${registry.url}/health/ready`)).status, { timeout: 20_000 }).toBe(200);
    await birth();
    // A document that was published while the registry stopped may come once more before.
    await expect.poll(() => received.at(-1)?.version, { timeout: 10_000 }).toBe(2n);
    // The registry listens on another port now, so the document differs in its address alone.
    expect(received.at(-1)).toMatchObject({
      version: 2n,
      releaseDigest: digest,
      repositoryUrl: registry.repositoryUrl,
    });
  });
});

async function releasePathOnDisk(models: string): Promise<{ path: string; bytes: number }> {
  const [sha256 = ''] = await readdir(models);
  const [name = ''] = await readdir(join(models, sha256));
  const path = join(models, sha256, name);
  return { path, bytes: (await readFile(path)).length };
}

/** fetch() would tidy up the path, and forbid a cached answer to a conditional request. */
function rawGet(base: string, path: string, headers = ''): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`);
    });
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('what boxes measure of themselves', () => {
  it('is shown by their kind, the newest of each box, without what was measured beside other work', async () => {
    const measured = (benchmark: Partial<Omit<DeviceBenchmark, '$typeName'>>): Promise<void> => {
      const figures = { releaseDigest: 'a'.repeat(64), provider: 'cpu', processor: 'Cortex-A76', cores: 4, workers: 1 };
      const rates = { embedMs: 5, framesPerSecond: 40, embeddingsPerSecond: 50 };
      const whole = create(DeviceBenchmarkSchema, { ...figures, ...rates, ...benchmark });
      const birth = create(DeviceBirthSchema, { architecture: 'arm64', benchmark: whole });
      return box.publish(topicOf(device, 'birth'), toBinary(DeviceBirthSchema, birth));
    };
    await measured({ measuredWallMs: 1000n, detectMs: 90 });
    await measured({ measuredWallMs: 2000n, detectMs: 20 });
    // Old news, a busy box, and what cannot be.
    await measured({ measuredWallMs: 1500n, detectMs: 1 });
    await measured({ measuredWallMs: 3000n, detectMs: 900, provider: 'cuda', besideAgent: true });
    await measured({ measuredWallMs: 3000n, detectMs: Number.NaN });
    const shown = async (): Promise<unknown> => (await ask('/v1/device-benchmarks')).json();
    await expect.poll(shown).toEqual({
      items: [
        {
          deviceClass: 'arm64 Cortex-A76 x4',
          releaseDigest: 'a'.repeat(64),
          provider: 'cpu',
          devices: 1,
          detectMs: 20,
          embedMs: 5,
          framesPerSecond: 40,
          embeddingsPerSecond: 50,
        },
      ],
    });
  });
});
