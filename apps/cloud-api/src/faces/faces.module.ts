import { Module } from '@nestjs/common';

import { PhotoIntakeModule } from '../http/photo-intake.module.js';
import { IdentificationModule } from '../identification/identification.module.js';
import { PeopleModule } from '../people/people.module.js';
import { EmbeddingsController } from './embeddings.controller.js';
import { PhotoEmbeddings } from './photo-embeddings.js';
import { Verification } from './verification.js';
import { VerifyController } from './verify.controller.js';

/** What can be asked about faces without keeping anything. */
@Module({
  imports: [IdentificationModule, PeopleModule, PhotoIntakeModule],
  controllers: [EmbeddingsController, VerifyController],
  providers: [PhotoEmbeddings, Verification],
})
export class FacesModule {}
