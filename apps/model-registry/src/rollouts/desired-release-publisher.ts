import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  channels,
  DesiredReleaseSchema,
  DeviceBirthSchema,
  fleetFilter,
  parseTopic,
  SCHEMA_VERSION,
  topicOf,
  type DeviceAddress,
  type DeviceBirth,
} from '@sightline/contracts';
import { errorMessage, ExclusiveRunner, isAppError, type Logger } from '@sightline/kernel';
import type { MqttConnection, MqttMessage } from '@sightline/messaging';
import type { PublishedRelease } from '@sightline/release-trust';

import type { DeviceBenchmarks } from '../benchmarks/device-benchmarks.js';
import type { DesiredDocument, DesiredReleases } from './desired-releases.js';

export interface DesiredReleasePublisherOptions {
  readonly connection: MqttConnection;
  readonly desired: DesiredReleases;
  /** Keeps what a box says of its speed. */
  readonly benchmarks: Pick<DeviceBenchmarks, 'take'>;
  /** The release that a device without other orders is to run. */
  readonly defaultRelease: () => PublishedRelease;
  readonly repositoryUrl: string;
  readonly log: Logger;
}

/**
 * The only writer of `desired/release`. Answers every birth with the device's document, retained: a broker
 * in memory may have forgotten it, and a device ignores a version that it has seen.
 */
export class DesiredReleasePublisher {
  readonly #options: DesiredReleasePublisherOptions;
  // One at a time, so that a device's older document never overtakes a newer one.
  readonly #runner = new ExclusiveRunner();

  constructor(options: DesiredReleasePublisherOptions) {
    this.#options = options;
  }

  /** Resolves once the broker has granted the subscription. */
  start(signal: AbortSignal): Promise<void> {
    const handle = (message: MqttMessage): Promise<void> => this.#runner.run(() => this.#onBirth(message));
    return this.#options.connection.subscribe(fleetFilter('birth'), handle, { qos: channels.birth.qos, signal });
  }

  /** A failure that may pass rejects, and the broker delivers the birth again; a malformed one is dropped. */
  async #onBirth({ topic, payload }: MqttMessage): Promise<void> {
    const read = this.#read(topic, payload);
    if (read === undefined) return;
    const { device, birth } = read;
    await this.#options.benchmarks.take(device, birth);
    const { version, digest } = this.#options.defaultRelease();
    const document = await this.#options.desired.assign(device, {
      releaseVersion: version,
      releaseDigest: digest,
      repositoryUrl: this.#options.repositoryUrl,
    });
    await this.#publish(device, document);
  }

  #read(
    topic: string,
    payload: Uint8Array,
  ): { readonly device: DeviceAddress; readonly birth: DeviceBirth } | undefined {
    try {
      return { device: parseTopic(topic), birth: fromBinary(DeviceBirthSchema, payload) };
    } catch (error) {
      const code = isAppError(error) ? error.code : 'MQTT.MALFORMED_MESSAGE';
      this.#options.log.warn({ code, reason: errorMessage(error) }, 'a birth was dropped');
      return undefined;
    }
  }

  async #publish(device: DeviceAddress, document: DesiredDocument): Promise<void> {
    const { connection, defaultRelease, log } = this.#options;
    const message = create(DesiredReleaseSchema, {
      schemaVersion: SCHEMA_VERSION,
      version: document.version,
      releaseVersion: document.releaseVersion,
      releaseDigest: document.releaseDigest,
      manifestTarget: defaultRelease().manifestTarget,
      repositoryUrl: document.repositoryUrl,
    });
    const { qos, retain } = channels['desired/release'];
    await connection.publish(topicOf(device, 'desired/release'), toBinary(DesiredReleaseSchema, message), {
      qos,
      retain,
    });
    log.info(
      { ...device, version: Number(document.version), release: document.releaseVersion },
      'desired release sent',
    );
  }
}
