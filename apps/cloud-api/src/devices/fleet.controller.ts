import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import {
  DeviceBirthSchema,
  DeviceStatusSchema,
  fleetFilter,
  parseTopic,
  ReportedStateSchema,
  type DeviceAddress,
} from '@sightline/contracts';
import { isAppError, type Clock, type Logger } from '@sightline/kernel';
import type { MqttMessage } from '@sightline/messaging';
import { Controller, Inject, type BeforeApplicationShutdown } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { CLOCK, LOGGER } from '../platform/tokens.js';
import { untilStored } from '../storage/transient.js';
import { DesiredConfigs } from './desired-configs.js';
import { DeviceBirths } from './device-births.js';
import { DeviceTwin } from './device-twin.js';

/** Follows what the fleet says of itself: status, births and reported states. */
@Controller()
export class FleetController implements BeforeApplicationShutdown {
  readonly #stopping = new AbortController();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly twin: DeviceTwin,
    private readonly desiredConfigs: DesiredConfigs,
    private readonly births: DeviceBirths,
  ) {}

  beforeApplicationShutdown(): void {
    this.#stopping.abort(new Error('the service stops'));
  }

  @MessagePattern(fleetFilter('status'))
  async status(@Payload() message: MqttMessage): Promise<void> {
    await this.#take(message, DeviceStatusSchema, (address, status) =>
      this.twin.status(address, status, message.retained),
    );
  }

  @MessagePattern(fleetFilter('birth'))
  async birth(@Payload() message: MqttMessage): Promise<void> {
    await this.#take(message, DeviceBirthSchema, async (address, birth) => {
      const known = await this.twin.born(address, birth);
      if (!known) return false;
      await this.desiredConfigs.publish(address);
      await this.births.tell(address, birth);
      return true;
    });
  }

  @MessagePattern(fleetFilter('state/reported'))
  async reported(@Payload() message: MqttMessage): Promise<void> {
    await this.#take(message, ReportedStateSchema, (address, state) =>
      this.twin.reported(address, state, message.retained),
    );
  }

  /** A message that cannot be read, or of nobody that we know, is reported and dropped: it would never get better. */
  async #take<Desc extends DescMessage>(
    { topic, payload }: MqttMessage,
    schema: Desc,
    store: (address: DeviceAddress, message: MessageShape<Desc>) => Promise<boolean>,
  ): Promise<void> {
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
