import { Module } from '@nestjs/common';

import { GalleryFollower } from './gallery-follower.js';
import { Identification } from './identification.js';
import { PhotoFaces } from './photo-faces.js';

@Module({
  providers: [GalleryFollower, Identification, PhotoFaces],
  exports: [GalleryFollower, Identification, PhotoFaces],
})
export class IdentificationModule {}
