import { Module } from '@nestjs/common';

import { PhotoIntake } from './photo-intake.js';

/** One intake for all routes: what it bounds is the process's memory. */
@Module({ providers: [PhotoIntake], exports: [PhotoIntake] })
export class PhotoIntakeModule {}
