import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { AnalyticsModule } from '../analytics/analytics.module.js';
import { JOBS } from '../platform/tokens.js';
import { RetentionsController } from './retentions.controller.js';
import { Retentions } from './retentions.js';

const deleteExpired = defineTrigger('retention');
const EVERY_MS = 3_600_000;

@Module({ imports: [AnalyticsModule], controllers: [RetentionsController], providers: [Retentions] })
export class RetentionModule {
  constructor(@Inject(JOBS) jobs: Jobs, retentions: Retentions) {
    jobs.handle(deleteExpired, ({ signal }) => retentions.pass(signal));
    jobs.schedule(deleteExpired, { everyMs: EVERY_MS });
  }
}
