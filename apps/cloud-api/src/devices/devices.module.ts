import { Module } from '@nestjs/common';

import { DesiredConfigs } from './desired-configs.js';
import { DeviceLink } from './device-link.js';
import { DeviceTwin } from './device-twin.js';
import { DevicesController } from './devices.controller.js';
import { Devices } from './devices.js';
import { FleetController } from './fleet.controller.js';

@Module({
  controllers: [DevicesController, FleetController],
  providers: [Devices, DeviceTwin, DeviceLink, DesiredConfigs],
  exports: [Devices, DeviceLink],
})
export class DevicesModule {}
