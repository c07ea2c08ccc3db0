import multipart from '@fastify/multipart';
import { migrate, openDatabase, type Database } from '@sightline/database';
import { openJobs, type Jobs } from '@sightline/jobs';
import { errorMessage, isAppError, StopStack } from '@sightline/kernel';
import { DeferredAckServer, type ClientCertificate, type MqttConnection } from '@sightline/messaging';
import { createRestApp } from '@sightline/rest-server';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ApiKeys } from './access/api-keys.js';
import { TenantListeners, type TenantListener } from './alerts/tenant-listeners.js';
import { apiHead } from './api-head.js';
import { AppModule } from './app.module.js';
import type { CloudApiConfig } from './config.js';
import { CertificateAuthority, type BrokerCertificate } from './device-certificates/certificate-authority.js';
import { Devices, type DeviceIdentity } from './devices/devices.js';
import { RevokedDevices } from './devices/revoked-devices.js';
import { EdgeCachePublisher } from './edge-caches/edge-cache-publisher.js';
import { takePhotoBodies } from './http/photo-upload.js';
import { eraseRestored } from './erasure/erasure.module.js';
import { GalleryFollower } from './identification/gallery-follower.js';
import { openGalleryIndex } from './identification/gallery-index.js';
import { stateGalleryMemory } from './identification/gallery-memory.js';
import { takeImageBodies } from './images/image-uploads.controller.js';
import { connectFleet } from './ingest/fleet-connection.js';
import { sharedFilters } from './ingest/shared-filters.js';
import { CloudMetrics } from './metrics/cloud-metrics.js';
import { observeRequests } from './metrics/observe-requests.js';
import { openKeyStore } from './personal-data/open-key-store.js';
import { PersonalData } from './personal-data/personal-data.js';
import { sealPlainRows } from './personal-data/seal-plain-rows.js';
import { takeArchiveBodies } from './people/bulk/enrolment-intake.js';
import { takeTransferBodies } from './people/transfer/transfer.controller.js';
import type { Platform } from './platform/platform.module.js';
import { JOBS } from './platform/tokens.js';
import type { ReleaseSource } from './releases/active-release.js';
import { Releases } from './releases/releases.js';
import { Notifications } from './storage/notifications.js';

/** How long a start waits for the broker, ms. Without it REST serves already, and the fleet is followed later. */
const BROKER_MS = 15_000;

export interface CloudApi {
  /** Where REST is served. */
  readonly url: string;
  /**
   * Checks the MQTT credentials of a device, or of a program that listens to a tenant's alerts, for a broker that asks;
   * undefined when they are not valid.
   */
  verifyDevice(username: string, password: string): Promise<DeviceIdentity | TenantListener | undefined>;
  /** Checks the certificate that a device has shown to a broker; undefined when it is not valid. */
  verifyDeviceCertificate(certificate: ClientCertificate): Promise<DeviceIdentity | undefined>;
  /**
   * A certificate for the broker itself, for its listener with TLS, valid for 825 days.
   *
   * @param names host names and IP addresses under which boxes reach it
   */
  brokerCertificate(names: readonly string[]): Promise<BrokerCertificate>;
  /** Resolves once nothing of it runs. Safe to call twice. */
  stop(): Promise<void>;
}

/** A running application with its inside, for tests. */
export interface StartedCloudApi extends CloudApi {
  readonly app: NestFastifyApplication;
  readonly database: Database;
  readonly mqtt: MqttConnection;
}

/**
 * Starts the cloud API with a source of releases.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`, `DATABASE.MIGRATION_*`, `TEMPLATE_KEY.UNWRAP_FAILED`,
 *   `INGEST.SECOND_CONSUMER`, `MQTT.SUBSCRIPTION_REFUSED`, `KEY_STORE.*`, `GALLERY.FULL`
 */
export async function startWith(config: CloudApiConfig, releaseSource: ReleaseSource): Promise<StartedCloudApi> {
  const stack = new StopStack();
  try {
    return await start(config, releaseSource, stack);
  } catch (error) {
    await stack.stop().catch((failure: unknown) => config.log.warn({ error: errorMessage(failure) }, 'a start failed'));
    throw error;
  }
}

async function start(config: CloudApiConfig, releaseSource: ReleaseSource, stack: StopStack): Promise<StartedCloudApi> {
  const { log, clock } = config;
  const database = await openDatabase({ url: config.databaseUrl, log });
  stack.push(() => database.close());
  await migrate(database, { schema: 'cloud', folder: new URL('../migrations', import.meta.url) });
  const keyStore = await openKeyStore(config);
  stack.push(() => keyStore.close());
  if (config.qdrant === undefined) {
    await stateGalleryMemory(database, { ceilingBytes: config.galleryMemoryBytes, log });
  }
  const galleryIndex = openGalleryIndex(config, { log, clock });
  stack.push(() => galleryIndex.gallery.close());
  const mqtt = await connectFleet(config, database, stack);
  const jobs = openJobs({ redisUrl: config.redisUrl, postgresUrl: config.databaseUrl, log, clock });
  const app = await createApp({ config, database, galleryIndex, mqtt, jobs, releaseSource, keyStore });
  // Stopped after the application, whose last requests still need them.
  for (const service of [EdgeCachePublisher, GalleryFollower, Notifications, Releases, RevokedDevices])
    stack.push(() => app.get(service).stop());
  stack.push(() => jobs.close());
  stack.push(() => app.close());
  await sealPlainRows({ database, personalData: app.get(PersonalData), log, clock });
  await startServices(app, config);
  await app.listen({ host: config.host, port: config.port });
  await followFleet(app, config);
  const address = await app.getUrl();
  log.info({ url: address }, 'cloud API started');
  return {
    url: address,
    app,
    database,
    mqtt,
    verifyDevice: async (name, secret) =>
      (await app.get(TenantListeners).verify(name, secret)) ?? app.get(Devices).verify(name, secret),
    verifyDeviceCertificate: (certificate) => app.get(Devices).verifyCertificate(certificate),
    brokerCertificate: (names) => app.get(CertificateAuthority).brokerCertificate(names),
    stop: () => stack.stop(),
  };
}

async function createApp(platform: Platform): Promise<NestFastifyApplication> {
  const { log } = platform.config;
  const trustedProxies = platform.config.access?.trustedProxies;
  const app = await createRestApp({ module: AppModule.of(platform), api: apiHead, log, trustedProxies });
  await app.register(multipart, { throwFileSizeLimit: false });
  observeRequests(app.getHttpAdapter().getInstance(), app.get(CloudMetrics));
  takePhotoBodies(app.getHttpAdapter().getInstance());
  takeArchiveBodies(app.getHttpAdapter().getInstance());
  takeTransferBodies(app.getHttpAdapter().getInstance());
  takeImageBodies(app.getHttpAdapter().getInstance());
  app.connectMicroservice<MicroserviceOptions>({
    strategy: new DeferredAckServer(platform.mqtt, sharedFilters(platform.config)),
  });
  return app;
}

/** What runs beside the requests. */
async function startServices(app: NestFastifyApplication, config: CloudApiConfig): Promise<void> {
  await app.get(ApiKeys).bootstrap(config.tenantId, config.bootstrapAdminKey);
  await app.get(GalleryFollower).start();
  app.get(Notifications).start();
  app.get(EdgeCachePublisher).start();
  app.get(Releases).start();
  app.get(RevokedDevices).start();
  const jobs = app.get<Jobs>(JOBS);
  await jobs.start();
  // A backup may have been put back since the last start.
  await jobs.enqueue(eraseRestored, {}, { id: 'at-start' });
}

/** Subscribes to the fleet; goes on in the background when the broker cannot be reached yet. */
async function followFleet(app: NestFastifyApplication, { clock, log }: CloudApiConfig): Promise<void> {
  const bound = new AbortController();
  const subscribed = app.startAllMicroservices().then(
    () => true,
    (error: unknown) => {
      log.error({ error: errorMessage(error) }, 'the fleet cannot be followed');
      // A broker that will never grant it: better to say so than to serve half.
      if (isAppError(error, 'MQTT.SUBSCRIPTION_REFUSED')) throw error;
      return false;
    },
  );
  const late = clock.sleep(BROKER_MS, bound.signal).then(
    () => log.warn({}, 'the broker cannot be reached yet; the fleet is followed once it can'),
    () => undefined,
  );
  await Promise.race([subscribed, late]);
  bound.abort();
}
