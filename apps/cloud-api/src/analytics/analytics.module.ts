import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { JOBS } from '../platform/tokens.js';
import { AnalyticsController } from './analytics.controller.js';
import { Analytics } from './analytics.js';
import { FiguresRetention } from './figures-retention.js';
import { RollUps } from './roll-ups.js';

const rollUp = defineTrigger('analytics-roll-up');
/** Figures are at most so much older than what they count, and the time a run takes, ms. */
const EVERY_MS = 30_000;

@Module({
  controllers: [AnalyticsController],
  providers: [Analytics, RollUps, FiguresRetention],
  exports: [FiguresRetention],
})
export class AnalyticsModule {
  constructor(@Inject(JOBS) jobs: Jobs, rollUps: RollUps) {
    jobs.handle(rollUp, ({ signal }) => rollUps.pass(signal).then(() => undefined));
    jobs.schedule(rollUp, { everyMs: EVERY_MS });
  }
}
