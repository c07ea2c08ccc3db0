import { Inject, Module } from '@nestjs/common';
import { defineTrigger, type Jobs } from '@sightline/jobs';

import { JOBS } from '../platform/tokens.js';
import { ConsentExpiry } from './consent-expiry.js';
import { ConsentsController } from './consents.controller.js';
import { Consents } from './consents.js';

const judgeAnew = defineTrigger('consents-judge-anew');
/** A record that ends, or a changed policy, takes effect at most so much later, ms. */
const EVERY_MS = 30_000;

@Module({ controllers: [ConsentsController], providers: [Consents, ConsentExpiry] })
export class ConsentModule {
  constructor(@Inject(JOBS) jobs: Jobs, expiry: ConsentExpiry) {
    jobs.handle(judgeAnew, ({ signal }) => expiry.pass(signal).then(() => undefined));
    jobs.schedule(judgeAnew, { everyMs: EVERY_MS });
  }
}
