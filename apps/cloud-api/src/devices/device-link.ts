import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { channels, topicOf, type Channel, type DeviceAddress } from '@sightline/contracts';
import type { MqttConnection } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';

import { MQTT } from '../platform/tokens.js';

/** How long a publish may wait for the broker, ms: whoever publishes has more to do. */
const PUBLISH_MS = 5000;

/** Sends messages to devices, on the terms of the contract. */
@Injectable()
export class DeviceLink {
  constructor(@Inject(MQTT) private readonly connection: Pick<MqttConnection, 'publish' | 'connected'>) {}

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
}
