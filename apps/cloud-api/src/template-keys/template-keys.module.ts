import { Module } from '@nestjs/common';

import { DevicesModule } from '../devices/devices.module.js';
import { KeyRotation } from './key-rotation.js';
import { RotationWork } from './rotation-work.js';
import { TemplateKeyViews } from './template-key-views.js';
import { TemplateKeysController } from './template-keys.controller.js';

@Module({
  imports: [DevicesModule],
  controllers: [TemplateKeysController],
  providers: [KeyRotation, RotationWork, TemplateKeyViews],
})
export class TemplateKeysModule {}
