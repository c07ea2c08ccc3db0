import { Module, type DynamicModule } from '@nestjs/common';
import { HealthController, READINESS, type Readiness } from '@sightline/rest-server';

import { BenchmarksController } from './benchmarks/benchmarks.controller.js';
import { DeviceBenchmarks } from './benchmarks/device-benchmarks.js';
import { ReleaseLibrary } from './releases/release-library.js';
import { ReleasesController } from './releases/releases.controller.js';

@Module({})
export class RegistryModule {
  static of(library: ReleaseLibrary, benchmarks: DeviceBenchmarks, readiness: Readiness): DynamicModule {
    return {
      module: RegistryModule,
      controllers: [ReleasesController, BenchmarksController, HealthController],
      providers: [
        { provide: ReleaseLibrary, useValue: library },
        { provide: DeviceBenchmarks, useValue: benchmarks },
        { provide: READINESS, useValue: readiness },
      ],
    };
  }
}
