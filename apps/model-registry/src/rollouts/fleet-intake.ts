import { fromBinary } from '@bufbuild/protobuf';
import {
  channels,
  DeviceBirthSchema,
  fleetFilter,
  parseTopic,
  ReleaseStateSchema,
  ReportedStateSchema,
  type Channel,
  type DeviceAddress,
} from '@sightline/contracts';
import { errorMessage, ExclusiveRunner, isAppError, type Logger } from '@sightline/kernel';
import type { MqttConnection } from '@sightline/messaging';

import type { DeviceBenchmarks } from '../benchmarks/device-benchmarks.js';
import type { DesiredReleases } from './desired-releases.js';
import type { DocumentPublisher } from './document-publisher.js';
import type { Fleet } from './fleet.js';
import type { ReleaseRef } from './rollout.js';

export interface FleetIntakeOptions {
  readonly connection: MqttConnection;
  readonly fleet: Fleet;
  readonly desired: Pick<DesiredReleases, 'assignDefault'>;
  /** Keeps what a box says of its speed. */
  readonly benchmarks: Pick<DeviceBenchmarks, 'take'>;
  readonly publisher: Pick<DocumentPublisher, 'answer'>;
  /** The release that a device without other orders is to run. */
  readonly defaultRelease: () => ReleaseRef;
  /** A device has said something that rollouts may wait for. */
  readonly onNews: () => void;
  readonly log: Logger;
}

/**
 * Learns the fleet from what devices say. Answers every birth with the device's document, retained: a broker in memory
 * may have forgotten it, and a device ignores a version that it has seen.
 */
export class FleetIntake {
  readonly #options: FleetIntakeOptions;
  // One at a time, so that what a device said first is stored first.
  readonly #runner = new ExclusiveRunner();

  constructor(options: FleetIntakeOptions) {
    this.#options = options;
  }

  /** Resolves once the broker has granted the subscriptions. */
  async start(signal: AbortSignal): Promise<void> {
    const { fleet, desired, benchmarks, publisher, defaultRelease } = this.#options;
    await Promise.all([
      this.#take('birth', signal, async (device, payload) => {
        const birth = fromBinary(DeviceBirthSchema, payload);
        await fleet.born(device, birth);
        await benchmarks.take(device, birth);
        await desired.assignDefault(device, defaultRelease());
        await publisher.answer(device);
      }),
      this.#take('state/reported', signal, async (device, payload) => {
        if (payload.length === 0) return fleet.gone(device);
        const { running, at } = fromBinary(ReportedStateSchema, payload);
        return fleet.runs(device, running, at);
      }),
      this.#take('release/state', signal, (device, payload) =>
        fleet.stepped(device, fromBinary(ReleaseStateSchema, payload)),
      ),
    ]);
  }

  /** A failure that may pass rejects, and the broker delivers the message again; a malformed one is dropped. */
  #take(
    channel: Channel,
    signal: AbortSignal,
    handle: (device: DeviceAddress, payload: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const { connection, onNews, log } = this.#options;
    const take = async (topic: string, payload: Uint8Array): Promise<void> => {
      try {
        await handle(parseTopic(topic), payload);
        onNews();
      } catch (error) {
        if (isAppError(error) && error.code !== 'MQTT.UNKNOWN_TOPIC') throw error;
        log.warn({ code: 'MQTT.MALFORMED_MESSAGE', channel, reason: errorMessage(error) }, 'a message was dropped');
      }
    };
    return connection.subscribe(
      fleetFilter(channel),
      ({ topic, payload }) => this.#runner.run(() => take(topic, payload)),
      { qos: channels[channel].qos, signal },
    );
  }
}
