import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { parseTopic, type DeviceAddress } from '@sightline/contracts';
import { isAppError, StoppingError, type Clock, type Logger } from '@sightline/kernel';
import type { MqttMessage } from '@sightline/messaging';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import { CLOCK, LOGGER } from '../platform/tokens.js';
import { untilStored } from '../storage/transient.js';

/**
 * Takes what devices say of themselves. A message that cannot be read, or of nobody that we know, is reported and
 * dropped: it would never get better. One that the database cannot take at the moment waits.
 */
@Injectable()
export class DeviceIntake implements BeforeApplicationShutdown {
  readonly #stopping = new AbortController();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  beforeApplicationShutdown(): void {
    this.#stopping.abort(new StoppingError());
  }

  /** @param store tells whether the device is known */
  async take<Desc extends DescMessage>(
    { topic, payload }: MqttMessage,
    schema: Desc,
    store: (address: DeviceAddress, message: MessageShape<Desc>) => Promise<boolean>,
  ): Promise<void> {
    // What was retained is being cleared: no device says nothing.
    if (payload.length === 0) return;
    let address: DeviceAddress;
    let message: MessageShape<Desc>;
    try {
      const { tenantId, deviceId } = parseTopic(topic);
      address = { tenantId, deviceId };
      message = fromBinary(schema, payload);
    } catch (error) {
      const code = isAppError(error) ? error.code : 'MQTT.MALFORMED_MESSAGE';
      this.log.warn({ code, topic, bytes: payload.length }, 'a message of a device was dropped');
      return;
    }
    try {
      const options = { clock: this.clock, log: this.log, signal: this.#stopping.signal, what: 'a device message' };
      const known = await untilStored(() => store(address, message), options);
      if (!known) this.log.warn({ code: 'DEVICE.NOT_FOUND', topic }, 'a message of an unknown device was dropped');
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
      this.log.error({ code, topic }, 'a message of a device could not be stored and was dropped');
    }
  }
}
