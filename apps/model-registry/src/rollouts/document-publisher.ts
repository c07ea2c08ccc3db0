import { create, toBinary } from '@bufbuild/protobuf';
import { channels, DesiredReleaseSchema, SCHEMA_VERSION, topicOf, type DeviceAddress } from '@sightline/contracts';
import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import type { MqttConnection } from '@sightline/messaging';
import { manifestTarget } from '@sightline/release-trust';

import type { DesiredDocument, DesiredReleases } from './desired-releases.js';

export interface DocumentPublisherOptions {
  readonly connection: MqttConnection;
  readonly desired: Pick<DesiredReleases, 'publishPending'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What could not be published is looked for so often, ms. */
const LOOK_EVERY_MS = 5000;

/** The only writer of `desired/release`: publishes documents as soon as they have changed, and answers births. */
export class DocumentPublisher {
  readonly #options: DocumentPublisherOptions;
  #wake: () => void = () => undefined;

  constructor(options: DocumentPublisherOptions) {
    this.#options = options;
  }

  /** Documents have changed. */
  wake(): void {
    this.#wake();
  }

  /** Publishes one device's document. Rejects when the broker does not take it: the birth comes again then. */
  async answer(device: DeviceAddress): Promise<void> {
    await this.#options.desired.publishPending((document) => this.#publish(document), device);
  }

  /** Publishes what is to be published until it is stopped. What the broker does not take waits for the next time. */
  async run(signal: AbortSignal): Promise<void> {
    const { connection, desired, clock, log } = this.#options;
    const isStopping = (): boolean => signal.aborted;
    const removeListener = connection.on('connected', () => this.wake());
    while (!isStopping()) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      try {
        while (connection.connected && (await desired.publishPending((document) => this.#publish(document))) > 0);
      } catch (error) {
        if (!isStopping()) log.warn({ reason: errorMessage(error) }, 'desired releases wait to be published');
      }
      await clock.sleep(LOOK_EVERY_MS, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
    }
    removeListener();
  }

  async #publish(document: DesiredDocument): Promise<void> {
    const { connection, log } = this.#options;
    const { tenantId, deviceId, version, releaseVersion, releaseDigest, repositoryUrl } = document;
    const message = create(DesiredReleaseSchema, {
      ...{ schemaVersion: SCHEMA_VERSION, version: BigInt(version), releaseVersion, releaseDigest, repositoryUrl },
      manifestTarget: manifestTarget(releaseVersion),
    });
    const { qos, retain } = channels['desired/release'];
    const topic = topicOf({ tenantId, deviceId }, 'desired/release');
    await connection.publish(topic, toBinary(DesiredReleaseSchema, message), { qos, retain });
    log.info({ tenantId, deviceId, version, release: releaseVersion }, 'desired release sent');
  }
}
