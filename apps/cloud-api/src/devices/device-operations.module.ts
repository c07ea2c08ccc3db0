import { Module } from '@nestjs/common';

import { CommandAcksController, CommandsController } from './commands/commands.controller.js';
import { Commands } from './commands/commands.js';
import { DeviceDetailController } from './device-detail.controller.js';
import { DeviceDetails } from './device-details.js';
import { DevicesModule } from './devices.module.js';
import { FleetHealthController } from './health/fleet-health.controller.js';
import { FleetHealth } from './health/fleet-health.js';

/** What an operator wants of a box: to know how it is, and to have it do something. */
@Module({
  imports: [DevicesModule],
  controllers: [DeviceDetailController, CommandsController, CommandAcksController, FleetHealthController],
  providers: [Commands, DeviceDetails, FleetHealth],
})
export class DeviceOperationsModule {}
