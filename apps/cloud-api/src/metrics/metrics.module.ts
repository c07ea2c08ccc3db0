import { Module } from '@nestjs/common';

import { DevicesModule } from '../devices/devices.module.js';
import { GalleryModule } from '../identification/gallery.module.js';
import { IngestModule } from '../ingest/ingest.module.js';
import { CloudMetrics } from './cloud-metrics.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [DevicesModule, GalleryModule, IngestModule],
  controllers: [MetricsController],
  providers: [CloudMetrics],
})
export class MetricsModule {}
