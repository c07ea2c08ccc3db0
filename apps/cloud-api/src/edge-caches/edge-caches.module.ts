import { Module } from '@nestjs/common';

import { DevicesModule } from '../devices/devices.module.js';
import { EdgeCacheViews } from './edge-cache-views.js';
import { EdgeCacheMessages } from './edge-cache.messages.js';
import { EdgeCachePublisher } from './edge-cache-publisher.js';
import { EdgeCachesController } from './edge-caches.controller.js';
import { EdgeCaches } from './edge-caches.js';

@Module({
  imports: [DevicesModule],
  controllers: [EdgeCacheMessages, EdgeCachesController],
  providers: [EdgeCaches, EdgeCachePublisher, EdgeCacheViews],
})
export class EdgeCachesModule {}
