import { Module } from '@nestjs/common';

import { GalleryFollower } from './gallery-follower.js';
import { GalleryFollowers } from './gallery-followers.js';
import { GalleryStates } from './gallery-states.js';
import { GalleryController } from './gallery.controller.js';

@Module({
  controllers: [GalleryController],
  providers: [GalleryFollower, GalleryFollowers, GalleryStates],
  exports: [GalleryFollower, GalleryFollowers, GalleryStates],
})
export class GalleryModule {}
