import { Module, type DynamicModule } from '@nestjs/common';

import { HealthController, READINESS, type ReadinessProbe } from './health/health.controller.js';
import { ReleaseLibrary } from './releases/release-library.js';
import { ReleasesController } from './releases/releases.controller.js';

@Module({})
export class RegistryModule {
  static of(library: ReleaseLibrary, readiness: ReadinessProbe): DynamicModule {
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
