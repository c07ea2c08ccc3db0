import { Module } from '@nestjs/common';

import { DecisionExpiry } from './decision-expiry.js';
import { DecisionPlaces } from './decision-places.js';
import { DecisionPolicies } from './decision-policies.js';
import { Explanations } from './explanations.js';
import { GalleryFollower } from './gallery-follower.js';
import { HardNegatives } from './hard-negatives.js';
import { Identification } from './identification.js';
import { IdentificationsController } from './identifications.controller.js';
import { PhotoFaces } from './photo-faces.js';
import { ProbeKeeping } from './probe-keeping.js';
import { Reviews } from './reviews.js';
import { SearchedTemplates } from './searched-templates.js';

@Module({
  controllers: [IdentificationsController],
  providers: [
    GalleryFollower,
    Identification,
    PhotoFaces,
    ...[DecisionPolicies, DecisionPlaces, SearchedTemplates, HardNegatives, ProbeKeeping],
    ...[Explanations, Reviews, DecisionExpiry],
  ],
  exports: [GalleryFollower, Identification, PhotoFaces],
})
export class IdentificationModule {}
