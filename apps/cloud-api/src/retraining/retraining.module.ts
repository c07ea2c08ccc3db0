import { Module } from '@nestjs/common';

import { IdentificationModule } from '../identification/identification.module.js';
import { Evaluations } from './evaluations.js';
import { LabelledProbes } from './labelled-probes.js';
import { LabelledSetsController } from './labelled-sets.controller.js';
import { LabelledSets } from './labelled-sets.js';
import { Proposals } from './proposals.js';
import { RetrainingController } from './retraining.controller.js';
import { RetrainingPolicies } from './retraining-policies.js';

@Module({
  imports: [IdentificationModule],
  controllers: [LabelledSetsController, RetrainingController],
  providers: [RetrainingPolicies, LabelledSets, LabelledProbes, Evaluations, Proposals],
  exports: [Evaluations],
})
export class RetrainingModule {}
