import { DeviceHealthSchema, fleetFilter, SightingBatchSchema } from '@sightline/contracts';
import type { MqttMessage } from '@sightline/messaging';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { DeviceIntake } from '../device-intake.js';
import { FleetHealth } from './fleet-health.js';

/** What the fleet counts of itself. */
@Controller()
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
