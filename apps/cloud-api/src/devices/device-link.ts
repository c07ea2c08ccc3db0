import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { channels, topicOf, type Channel, type DeviceAddress } from '@sightline/contracts';
import { errorMessage, type Logger } from '@sightline/kernel';
import type { MqttConnection } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, MQTT } from '../platform/tokens.js';

/** How long a publish may wait for the broker, ms: whoever publishes has more to do. */
const PUBLISH_MS = 5000;

/** Sends messages to devices, on the terms of the contract. */
@Injectable()
export class DeviceLink {
  constructor(
    @Inject(MQTT) private readonly connection: Pick<MqttConnection, 'publish' | 'connected'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  get connected(): boolean {
    return this.connection.connected;
  }

  /** @throws AppError `MQTT.OFFLINE` (retryable), or a TimeoutError */
  async send<Desc extends DescMessage>(
    address: DeviceAddress,
    channel: Channel,
    schema: Desc,
    message: MessageInitShape<Desc>,
  ): Promise<void> {
    const { qos, retain } = channels[channel];
    const payload = toBinary(schema, create(schema, message));
    const signal = AbortSignal.timeout(PUBLISH_MS);
    await this.connection.publish(topicOf(address, channel), payload, { qos, retain, signal });
  }

  /** Has the broker forget what it keeps of a box. Without a broker it stays: nobody may read it who was revoked. */
  async clear(address: DeviceAddress, retained: readonly Channel[]): Promise<void> {
    for (const channel of retained) {
      const signal = AbortSignal.timeout(PUBLISH_MS);
      try {
        // A retained message without a payload takes away the one that is kept (MQTT 3.1.1, 3.3.1.3).
        await this.connection.publish(topicOf(address, channel), new Uint8Array(0), { qos: 1, retain: true, signal });
      } catch (error) {
        this.log.warn({ ...address, channel, error: errorMessage(error) }, 'a retained message could not be cleared');
      }
    }
  }
}
