import { fromBinary } from '@bufbuild/protobuf';
import {
  fleetFilter,
  GalleryReceiptSchema,
  parseTopic,
  type DeviceAddress,
  type GalleryReceipt,
} from '@sightline/contracts';
import { isAppError, StoppingError, type Clock, type Logger } from '@sightline/kernel';
import { FailuresAsTheyAre, type MqttMessage } from '@sightline/messaging';
import { Controller, Inject, type BeforeApplicationShutdown, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { DeviceBirths } from '../devices/device-births.js';
import { CLOCK, LOGGER } from '../platform/tokens.js';
import { untilStored } from '../storage/transient.js';
import { EdgeCaches } from './edge-caches.js';

/** What boxes say of their caches, over MQTT. */
@Controller()
@UseFilters(FailuresAsTheyAre)
export class EdgeCacheMessages implements BeforeApplicationShutdown {
  readonly #stopping = new AbortController();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly caches: EdgeCaches,
    births: DeviceBirths,
  ) {
    births.on((address, birth) => this.caches.born(address, birth));
  }

  beforeApplicationShutdown(): void {
    this.#stopping.abort(new StoppingError());
  }

  /** What cannot be read is dropped: it would never get better, and the box is asked again for what is missing. */
  @MessagePattern(fleetFilter('gallery/receipt'))
  async receipt(@Payload() { topic, payload }: MqttMessage): Promise<void> {
    let address: DeviceAddress;
    let receipt: GalleryReceipt;
    try {
      const { tenantId, deviceId } = parseTopic(topic);
      address = { tenantId, deviceId };
      receipt = fromBinary(GalleryReceiptSchema, payload);
    } catch (error) {
      const code = isAppError(error) ? error.code : 'MQTT.MALFORMED_MESSAGE';
      this.log.warn({ code, topic, bytes: payload.length }, 'a receipt was dropped');
      return;
    }
    const { clock, log } = this;
    const options = { clock, log, signal: this.#stopping.signal, what: 'a receipt' };
    try {
      await untilStored(() => this.caches.received(address, receipt), options);
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
      log.error({ code, topic }, 'a receipt could not be stored and was dropped');
    }
  }
}
