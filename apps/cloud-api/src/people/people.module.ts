import { Module } from '@nestjs/common';

import { ErasureModule } from '../erasure/erasure.module.js';
import { PhotoIntakeModule } from '../http/photo-intake.module.js';
import { IdentificationModule } from '../identification/identification.module.js';
import { BulkEnrolmentRun } from './bulk/bulk-enrolment-run.js';
import { BulkEnrolments } from './bulk/bulk-enrolments.js';
import { BulkEnrolmentsController } from './bulk/bulk-enrolments.controller.js';
import { Duplicates } from './duplicates.js';
import { DuplicatesController } from './duplicates.controller.js';
import { Enrolment } from './enrolment.js';
import { Groups } from './groups.js';
import { GroupsController } from './groups.controller.js';
import { IdentifyController } from './identify.controller.js';
import { IdentifyPhoto } from './identify-photo.js';
import { Merges } from './merges.js';
import { MergesController } from './merges.controller.js';
import { NearPeople } from './near-people.js';
import { PeopleController } from './people.controller.js';
import { People } from './people.js';
import { SightingEnrolment } from './sighting-enrolment.js';
import { TemplateAdmission } from './template-admission.js';
import { PeopleExport } from './transfer/people-export.js';
import { PeopleImport } from './transfer/people-import.js';
import { TransferController } from './transfer/transfer.controller.js';

@Module({
  imports: [IdentificationModule, ErasureModule, PhotoIntakeModule],
  // Paths below v1/people before those with an id in their place.
  controllers: [
    ...[DuplicatesController, MergesController, TransferController],
    ...[PeopleController, GroupsController, BulkEnrolmentsController, IdentifyController],
  ],
  providers: [
    ...[NearPeople, TemplateAdmission, SightingEnrolment, Duplicates, Merges, PeopleExport, PeopleImport],
    ...[People, Groups, Enrolment, BulkEnrolments, BulkEnrolmentRun, IdentifyPhoto],
  ],
  exports: [People, SightingEnrolment],
})
export class PeopleModule {}
