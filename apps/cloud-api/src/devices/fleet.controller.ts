import { DeviceBirthSchema, DeviceStatusSchema, fleetFilter, ReportedStateSchema } from '@sightline/contracts';
import { FailuresAsTheyAre, type MqttMessage } from '@sightline/messaging';
import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

import { DesiredConfigs } from './desired-configs.js';
import { DeviceBirths } from './device-births.js';
import { DeviceIntake } from './device-intake.js';
import { DeviceTwin } from './device-twin.js';
import { RevokedDevices } from './revoked-devices.js';

/** Follows what the fleet says of itself: status, births and reported states. */
@Controller()
@UseFilters(FailuresAsTheyAre)
export class FleetController {
  constructor(
    private readonly intake: DeviceIntake,
    private readonly twin: DeviceTwin,
    private readonly desiredConfigs: DesiredConfigs,
    private readonly births: DeviceBirths,
    private readonly revoked: RevokedDevices,
  ) {}

  @MessagePattern(fleetFilter('status'))
  async status(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, DeviceStatusSchema, (address, status) =>
      this.twin.status(address, status, message.retained),
    );
  }

  @MessagePattern(fleetFilter('birth'))
  async birth(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, DeviceBirthSchema, async (address, birth) => {
      const known = await this.twin.born(address, birth);
      if (!known) {
        await this.revoked.turnAway(address);
        return false;
      }
      await this.desiredConfigs.publish(address);
      await this.births.tell(address, birth);
      return true;
    });
  }

  @MessagePattern(fleetFilter('state/reported'))
  async reported(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, ReportedStateSchema, (address, state) =>
      this.twin.reported(address, state, message.retained),
    );
  }
}
