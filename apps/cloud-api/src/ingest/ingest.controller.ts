import { fleetFilter } from '@sightline/contracts';
import { FailuresAsTheyAre, type MqttMessage } from '@sightline/messaging';
import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { Ingest } from './ingest.js';

/** The fleet's sightings. The message is acknowledged once the handler has resolved. */
@Controller()
@UseFilters(FailuresAsTheyAre)
export class IngestController {
  constructor(private readonly ingest: Ingest) {}

  @MessagePattern(fleetFilter('sighting'))
  async sighting(@Payload() message: MqttMessage): Promise<void> {
    await this.ingest.take(message);
  }
}
