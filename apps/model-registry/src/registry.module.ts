import { Module, type DynamicModule } from '@nestjs/common';
import { HealthController, READINESS, type Readiness } from '@sightline/rest-server';

import { ReleaseLibrary } from './releases/release-library.js';
import { ReleasesController } from './releases/releases.controller.js';

@Module({})
export class RegistryModule {
  static of(library: ReleaseLibrary, readiness: Readiness): DynamicModule {
    return {
      module: RegistryModule,
      controllers: [ReleasesController, HealthController],
      providers: [
        { provide: ReleaseLibrary, useValue: library },
        { provide: READINESS, useValue: readiness },
      ],
    };
  }
}
