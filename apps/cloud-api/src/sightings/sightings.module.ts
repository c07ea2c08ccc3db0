import { Module } from '@nestjs/common';

import { LiveSightings } from './live-sightings.js';
import { SightingsController } from './sightings.controller.js';
import { Sightings } from './sightings.js';

@Module({ controllers: [SightingsController], providers: [Sightings, LiveSightings] })
export class SightingsModule {}
