import { migrate, openDatabase, type Database } from '@sightline/database';
import { errorMessage, StopStack } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import { AuditViews, createRestApp, type Readiness } from '@sightline/rest-server';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';

import { Authentication } from './access/authentication.js';
import { apiHead } from './api-head.js';
import { Audit, registryAudit } from './audit/audit.js';
import { DeviceBenchmarks } from './benchmarks/device-benchmarks.js';
import type { ModelRegistryConfig } from './config.js';
import { REPOSITORY_PATH, serveRepository } from './distribution/serve-repository.js';
import { openRepository, repositoryDirectory } from './keys/repository-keys.js';
import { openModels } from './models/open-models.js';
import { RegistryModule } from './registry.module.js';
import {
  buildDefaultRelease,
  defaultModelSources,
  readDefaultModels,
  type ComputeSelfTest,
  type DefaultReleaseOptions,
} from './releases/default-release.js';
import { Releases } from './releases/assemble-release.js';
import { ReleaseLibrary } from './releases/release-library.js';
import { keepSignaturesFresh } from './releases/signature-upkeep.js';
import { composeRollouts } from './rollouts/compose-rollouts.js';

export interface ModelRegistry {
  /** Base address of REST, /docs and the repository. */
  readonly url: string;
  /** Base address of the signed repository, as devices are told. */
  readonly repositoryUrl: string;
  /** The TUF root metadata that devices and cloud-api pin. */
  trustedRoot(): Buffer;
  stop(): Promise<void>;
}

/** What tests replace: the self-test of a release runs its models. */
export interface ModelRegistryParts {
  readonly computeSelfTest: ComputeSelfTest;
}

const defaultParts: ModelRegistryParts = {
  computeSelfTest: async (manifest, read) => {
    // Loaded when a release is built: a registry that serves needs no inference.
    const { computeSelfTest } = await import('@sightline/recognition');
    return computeSelfTest(manifest, read);
  },
};

/**
 * Starts the model registry. The first start fetches and imports the default models, builds, signs and
 * publishes their release; later ones open what is there.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`, `MODEL.SOURCE_UNAVAILABLE` (both retryable), `MODEL.INVALID`,
 *   `MODEL.NOT_EQUIVALENT`, `RELEASE.CORRUPT`, `RELEASE.KEY_INVALID`
 */
export async function startModelRegistry(
  config: ModelRegistryConfig,
  parts: ModelRegistryParts = defaultParts,
): Promise<ModelRegistry> {
  const stack = new StopStack();
  try {
    return await start(config, parts, stack);
  } catch (error) {
    await stack.stop().catch((stopError: unknown) => {
      config.log.warn({ reason: errorMessage(stopError) }, 'a failed start did not clean up');
    });
    throw error;
  }
}

async function start(config: ModelRegistryConfig, parts: ModelRegistryParts, stack: StopStack): Promise<ModelRegistry> {
  const { log, clock } = config;
  const stopping = new AbortController();

  const database = await openDatabase({ url: config.databaseUrl, log });
  stack.push(() => database.close());
  await migrate(database, { schema: 'registry', folder: new URL('../migrations', import.meta.url) });

  const { repository, library } = await openReleases(config, parts);
  const trustedRoot = await repository.trustedRoot();
  const onPublished = (): Promise<void> => library.refresh();
  const upkeep = keepSignaturesFresh(repository, { clock, log, signal: stopping.signal, onPublished });
  stack.push(() => {
    stopping.abort();
    return upkeep;
  });

  const connection = await connectMqtt({ ...config.mqtt, clientId: config.mqtt.username, clean: false, log, clock });
  stack.push(() => connection.close());
  // Before the connection is closed, so that the subscription's end is no surprise.
  stack.push(() => stopping.abort());

  const benchmarks = new DeviceBenchmarks(database);
  const readiness = readinessOf(database, connection);
  const authentication = new Authentication(config.access, clock);
  const audit = new Audit(database, clock);
  const models = openModels(config, { database, audit, defaultModels: () => readDefaultModels(config) });
  const releases = new Releases({ ...models, ...parts, database, audit, repository, library, clock });
  let repositoryUrl = '';
  const rolling = composeRollouts({
    ...{ database, connection, benchmarks, audit, clock, log },
    defaultRelease: () => library.default(),
    releaseFor: async (tenantId, version) => {
      const release = await releases.get(tenantId, version);
      return models.policies.assertMayDeploy(tenantId, release.manifest).then(() => release);
    },
    repositoryUrl: () => repositoryUrl,
    places: config.rolloutDownloads,
  });
  const module = RegistryModule.of({
    ...{ authentication, models, releases, rollouts: rolling.rollouts, benchmarks, readiness },
    audit: new AuditViews(database, registryAudit),
  });
  const app = await createRestApp({ module, api: apiHead, log });
  stack.push(() => app.close());
  takeFiles(app);
  await models.jobs.start();
  stack.push(() => models.jobs.close());
  await serveRepository(app, repositoryDirectory(config));
  await app.listen({ host: config.host, port: config.port });
  const url = await app.getUrl();

  repositoryUrl = (config.publicUrl ?? url).replace(/\/+$/, '') + REPOSITORY_PATH;
  const rolled = rolling.run(stopping.signal);
  stack.push(() => {
    stopping.abort();
    return rolled;
  });
  log.info({ url, repositoryUrl, release: library.all()[0]?.version ?? null }, 'the model registry is up');
  return { url, repositoryUrl, trustedRoot: () => Buffer.from(trustedRoot), stop: () => stack.stop() };
}

function readinessOf({ pool }: Database, connection: MqttConnection): Readiness {
  const asked = (): Promise<boolean> =>
    pool.query('SELECT 1').then(
      () => true,
      () => false,
    );
  return async () => ({ database: await asked(), broker: connection.connected });
}

async function openReleases(config: ModelRegistryConfig, { computeSelfTest }: ModelRegistryParts) {
  const { log, clock, dataDirectory, modelStoreDirectory, signal } = config;
  const repository = await openRepository({ dataDirectory, passphraseFile: config.keyPassphraseFile, clock, log });
  const building: DefaultReleaseOptions = { modelStoreDirectory, computeSelfTest, log, signal };
  const library = await ReleaseLibrary.open({
    repository,
    build: () => buildDefaultRelease(building),
    sources: () => defaultModelSources(building),
    log,
  });
  return { repository, library };
}

/** Files come as streams, which nobody holds as a whole; who takes one bounds it. */
function takeFiles(app: NestFastifyApplication): void {
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  server.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
}
