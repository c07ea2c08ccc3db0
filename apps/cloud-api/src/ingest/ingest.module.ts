import { Module } from '@nestjs/common';

import { DevicesModule } from '../devices/devices.module.js';
import { IdentificationModule } from '../identification/identification.module.js';
import { IngestController } from './ingest.controller.js';
import { Ingest } from './ingest.js';
import { Replies } from './replies.js';

@Module({
  imports: [DevicesModule, IdentificationModule],
  controllers: [IngestController],
  providers: [Ingest, Replies],
  exports: [Ingest],
})
export class IngestModule {}
