import { DeviceHealthSchema, fleetFilter, SightingBatchSchema } from '@sightline/contracts';
import { FailuresAsTheyAre, type MqttMessage } from '@sightline/messaging';
import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { DeviceIntake } from '../device-intake.js';
import { FleetHealth } from './fleet-health.js';

/** What the fleet counts of itself. */
@Controller()
@UseFilters(FailuresAsTheyAre)
export class FleetHealthController {
  constructor(
    private readonly intake: DeviceIntake,
    private readonly health: FleetHealth,
  ) {}

  @MessagePattern(fleetFilter('health'))
  async snapshot(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, DeviceHealthSchema, (address, health) => this.health.snapshot(address, health));
  }

  @MessagePattern(fleetFilter('health/window'))
  async windows(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, SightingBatchSchema, (address, batch) => this.health.windows(address, batch));
  }
}
