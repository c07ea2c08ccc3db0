import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { IdentificationModule } from '../identification/identification.module.js';
import { PeopleModule } from '../people/people.module.js';
import { JOBS } from '../platform/tokens.js';
import { StrangerClustering } from './stranger-clustering.js';
import { StrangerEnrolment } from './stranger-enrolment.js';
import { StrangersController } from './strangers.controller.js';
import { Strangers } from './strangers.js';

const tellApart = defineTrigger('strangers-tell-apart');
/** How late a sighting that has ended is in its cluster at most, ms. */
const EVERY_MS = 15_000;

@Module({
  imports: [IdentificationModule, PeopleModule],
  controllers: [StrangersController],
  providers: [Strangers, StrangerClustering, StrangerEnrolment],
})
export class StrangersModule {
  constructor(@Inject(JOBS) jobs: Jobs, clustering: StrangerClustering) {
    jobs.handle(tellApart, ({ signal }) => clustering.pass(signal));
    jobs.schedule(tellApart, { everyMs: EVERY_MS });
  }
}
