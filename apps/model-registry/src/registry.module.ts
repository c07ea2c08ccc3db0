import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { AccessGuard, AuditController, AuditViews, HealthController, READINESS, type Readiness } from '@sightline/rest-server';

import type { Authentication } from './access/authentication.js';
import { BenchmarksController } from './benchmarks/benchmarks.controller.js';
import { DeviceBenchmarks } from './benchmarks/device-benchmarks.js';
import { ReleaseLibrary } from './releases/release-library.js';
import { ReleasesController } from './releases/releases.controller.js';

/** Every REST interface of the registry. */
export const registryControllers = [ReleasesController, BenchmarksController, AuditController, HealthController];

/** What the routes work with. */
export interface RegistryParts {
  readonly authentication: Authentication;
  readonly audit: AuditViews;
  readonly library: ReleaseLibrary;
  readonly benchmarks: DeviceBenchmarks;
  readonly readiness: Readiness;
}

@Module({})
export class RegistryModule {
  static of({ authentication, audit, library, benchmarks, readiness }: RegistryParts): DynamicModule {
    return {
      module: RegistryModule,
      controllers: registryControllers,
      providers: [
        { provide: AuditViews, useValue: audit },
        { provide: ReleaseLibrary, useValue: library },
        { provide: DeviceBenchmarks, useValue: benchmarks },
        { provide: READINESS, useValue: readiness },
        {
          provide: APP_GUARD,
          inject: [Reflector],
          useFactory: (reflector: Reflector) =>
            new AccessGuard(reflector, { principalOf: (request) => authentication.principalOf(request) }),
        },
      ],
    };
  }
}
