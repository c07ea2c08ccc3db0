import { Module } from '@nestjs/common';

import { PhotoIntakeModule } from '../http/photo-intake.module.js';
import { IdentificationModule } from '../identification/identification.module.js';
import { Enrolment } from './enrolment.js';
import { IdentifyController } from './identify.controller.js';
import { IdentifyPhoto } from './identify-photo.js';
import { PeopleController } from './people.controller.js';
import { People } from './people.js';

@Module({
  imports: [IdentificationModule, PhotoIntakeModule],
  controllers: [PeopleController, IdentifyController],
  providers: [People, Enrolment, IdentifyPhoto],
  exports: [People],
})
export class PeopleModule {}
