import { Module } from '@nestjs/common';

import { DesiredConfigs } from './desired-configs.js';
import { DeviceBirths } from './device-births.js';
import { DeviceIntake } from './device-intake.js';
import { DeviceLink } from './device-link.js';
import { DeviceTwin } from './device-twin.js';
import { DevicesController } from './devices.controller.js';
import { Devices } from './devices.js';
import { FleetController } from './fleet.controller.js';

@Module({
  controllers: [DevicesController, FleetController],
  providers: [Devices, DeviceBirths, DeviceIntake, DeviceTwin, DeviceLink, DesiredConfigs],
  exports: [Devices, DeviceBirths, DeviceIntake, DeviceLink],
})
export class DevicesModule {}
