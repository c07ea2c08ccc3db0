import type { Clock } from '@sightline/kernel';
import { Module } from '@nestjs/common';

import { CLOCK } from '../platform/tokens.js';
import { PhotoIntake } from './photo-intake.js';

/** One intake for all routes: what it bounds is the process's memory. */
@Module({
  providers: [{ provide: PhotoIntake, inject: [CLOCK], useFactory: (clock: Clock) => new PhotoIntake({ clock }) }],
  exports: [PhotoIntake],
})
export class PhotoIntakeModule {}
