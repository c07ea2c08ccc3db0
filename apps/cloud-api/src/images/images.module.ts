import { join } from 'node:path';

import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import type { CloudApiConfig } from '../config.js';
import { DevicesModule } from '../devices/devices.module.js';
import { CONFIG, JOBS } from '../platform/tokens.js';
import { ImageFiles } from './image-files.js';
import { ImageKeys } from './image-keys.js';
import { ImageSites } from './image-sites.js';
import { ImageTailsModule } from './image-tails.module.js';
import { ImageUpkeep } from './image-upkeep.js';
import { ImageUploadsController } from './image-uploads.controller.js';
import { ImageUploads } from './image-uploads.js';
import { ImageKeysController, ImageSitesController, SealedImagesController } from './sealed-images.controller.js';
import { SealedImages } from './sealed-images.js';

const removeFiles = defineTrigger('images-remove');
const reconcile = defineTrigger('images-reconcile');
/** How long a file outlives its row at most, ms; an erasure does not wait for it. */
const REMOVE_MS = 60_000;
const RECONCILE_MS = 3_600_000;

const imageFiles = {
  provide: ImageFiles,
  inject: [CONFIG],
  useFactory: ({ imageDirectory, dataDirectory }: CloudApiConfig) =>
    new ImageFiles(imageDirectory ?? join(dataDirectory, 'images')),
};

@Module({
  imports: [DevicesModule, ImageTailsModule],
  controllers: [SealedImagesController, ImageSitesController, ImageKeysController, ImageUploadsController],
  providers: [imageFiles, ImageKeys, ImageSites, ImageUploads, ImageUpkeep, SealedImages],
  exports: [ImageUpkeep],
})
export class ImagesModule {
  constructor(@Inject(JOBS) jobs: Jobs, upkeep: ImageUpkeep) {
    jobs.handle(removeFiles, ({ signal }) => upkeep.removeFiles(signal));
    jobs.schedule(removeFiles, { everyMs: REMOVE_MS });
    jobs.handle(reconcile, ({ signal }) => upkeep.reconcile(signal));
    jobs.schedule(reconcile, { everyMs: RECONCILE_MS });
  }
}
