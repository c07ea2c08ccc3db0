import { Module } from '@nestjs/common';

import { DeviceCertificatesModule } from '../device-certificates/device-certificates.module.js';
import { AsyncApiController } from './asyncapi.controller.js';
import { DesiredConfigController } from './desired-config.controller.js';
import { DesiredConfigs } from './desired-configs.js';
import { DeviceBirths } from './device-births.js';
import { DeviceIntake } from './device-intake.js';
import { DeviceLifecycle } from './device-lifecycle.js';
import { DeviceLink } from './device-link.js';
import { DeviceTwin } from './device-twin.js';
import { DevicesController } from './devices.controller.js';
import { Devices } from './devices.js';
import { FleetController } from './fleet.controller.js';
import { Provisionings } from './provisionings.js';
import { RevokedDevices } from './revoked-devices.js';

@Module({
  imports: [DeviceCertificatesModule],
  controllers: [DevicesController, DesiredConfigController, FleetController, AsyncApiController],
  providers: [
    ...[Devices, DeviceLifecycle, Provisionings, RevokedDevices],
    ...[DeviceBirths, DeviceIntake, DeviceTwin, DeviceLink, DesiredConfigs],
  ],
  exports: [Devices, DesiredConfigs, DeviceBirths, DeviceIntake, DeviceLink],
})
export class DevicesModule {}
