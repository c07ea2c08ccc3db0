import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { AlertsModule } from '../alerts/alerts.module.js';
import { JOBS } from '../platform/tokens.js';
import { Evaluations } from '../retraining/evaluations.js';
import { RetrainingModule } from '../retraining/retraining.module.js';
import { CameraDistributions } from './camera-distributions.js';
import { DriftBaselines } from './drift-baselines.js';
import { DriftPolicies } from './drift-policies.js';
import { DriftViews } from './drift-views.js';
import { DriftWatching } from './drift-watching.js';
import { DriftController } from './drift.controller.js';

const compare = defineTrigger('drift');
/** Some time after the hour, when what was seen in it has been counted. */
const HOURLY = '12 * * * *';

@Module({
  imports: [AlertsModule, RetrainingModule],
  controllers: [DriftController],
  providers: [CameraDistributions, DriftPolicies, DriftWatching, DriftViews, DriftBaselines],
})
export class DriftModule {
  constructor(@Inject(JOBS) jobs: Jobs, watching: DriftWatching, evaluations: Evaluations) {
    jobs.handle(compare, async ({ signal }) => {
      for (const episode of await watching.pass(signal)) await evaluations.startAfterDrift(episode);
    });
    jobs.schedule(compare, { cron: HOURLY });
  }
}
