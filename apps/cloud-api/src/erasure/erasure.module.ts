import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { IdentificationModule } from '../identification/identification.module.js';
import { ImagesModule } from '../images/images.module.js';
import { JOBS } from '../platform/tokens.js';
import { DestroyedPeople } from './destroyed-people.js';
import { ErasureSteps } from './erasure-steps.js';
import { ErasuresController } from './erasures.controller.js';
import { Erasures } from './erasures.js';

const advanceErasures = defineTrigger('erasures-advance');
/** Erases again whomever a backup has brought back. */
export const eraseRestored = defineTrigger('erasures-of-restored-people');

/** How often open erasures are looked at, ms: a receipt is in the proof at most that much later. */
const ADVANCE_MS = 5000;
/** How often it is looked whether a backup has brought somebody back, ms; and at each start. */
const AGAIN_MS = 3_600_000;

@Module({
  imports: [IdentificationModule, ImagesModule],
  controllers: [ErasuresController],
  providers: [Erasures, ErasureSteps, DestroyedPeople],
  exports: [Erasures],
})
export class ErasureModule {
  constructor(@Inject(JOBS) jobs: Jobs, steps: ErasureSteps, destroyed: DestroyedPeople) {
    jobs.handle(advanceErasures, ({ signal }) => steps.advanceAll(signal));
    jobs.schedule(advanceErasures, { everyMs: ADVANCE_MS });
    jobs.handle(eraseRestored, ({ signal }) => destroyed.eraseAgain(signal).then(() => undefined));
    jobs.schedule(eraseRestored, { everyMs: AGAIN_MS });
  }
}
