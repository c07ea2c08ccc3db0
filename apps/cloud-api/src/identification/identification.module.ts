import { Module } from '@nestjs/common';

import { ImageTailsModule } from '../images/image-tails.module.js';
import { DecisionExpiry } from './decision-expiry.js';
import { DecisionPlaces } from './decision-places.js';
import { DecisionPolicies } from './decision-policies.js';
import { Explanations } from './explanations.js';
import { GalleryModule } from './gallery.module.js';
import { HardNegatives } from './hard-negatives.js';
import { Identification } from './identification.js';
import { IdentificationsController } from './identifications.controller.js';
import { PhotoFaces } from './photo-faces.js';
import { KeptProbeReader } from './kept-probe-reader.js';
import { ProbeKeeping } from './probe-keeping.js';
import { Reviews } from './reviews.js';
import { SearchedTemplates } from './searched-templates.js';

@Module({
  imports: [GalleryModule, ImageTailsModule],
  controllers: [IdentificationsController],
  providers: [
    Identification,
    PhotoFaces,
    ...[DecisionPolicies, DecisionPlaces, SearchedTemplates, HardNegatives, ProbeKeeping, KeptProbeReader],
    ...[Explanations, Reviews, DecisionExpiry],
  ],
  exports: [
    ...[GalleryModule, Identification, PhotoFaces, ProbeKeeping, KeptProbeReader],
    ...[DecisionPolicies, DecisionPlaces, SearchedTemplates, Reviews],
  ],
})
export class IdentificationModule {}
