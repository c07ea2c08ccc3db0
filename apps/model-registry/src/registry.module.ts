import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import {
  AccessGuard,
  AuditController,
  AuditViews,
  HealthController,
  READINESS,
  type Readiness,
} from '@sightline/rest-server';

import type { Authentication } from './access/authentication.js';
import { BenchmarksController } from './benchmarks/benchmarks.controller.js';
import { DeviceBenchmarks } from './benchmarks/device-benchmarks.js';
import { EvaluationsController } from './evaluation/evaluations.controller.js';
import { BlobStore } from './models/blob-store.js';
import { CatalogController } from './models/catalog.controller.js';
import { DeployPolicies } from './models/licence.js';
import { ModelImports } from './models/model-imports.js';
import { ModelsController } from './models/models.controller.js';
import { Models } from './models/models.js';
import type { ModelParts } from './models/open-models.js';
import { JobsController } from './optimisation/jobs.controller.js';
import { ModelJobs } from './optimisation/model-jobs.js';
import { Releases } from './releases/assemble-release.js';
import { ReleasesController } from './releases/releases.controller.js';
import { RolloutsController } from './rollouts/rollouts.controller.js';
import { Rollouts } from './rollouts/rollouts.js';

/** Every REST interface of the registry. */
export const registryControllers = [
  ModelsController,
  CatalogController,
  JobsController,
  EvaluationsController,
  ReleasesController,
  RolloutsController,
  BenchmarksController,
  AuditController,
  HealthController,
];

/** What the routes work with. */
export interface RegistryParts {
  readonly authentication: Authentication;
  readonly audit: AuditViews;
  readonly models: Omit<ModelParts, 'jobs'>;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly benchmarks: DeviceBenchmarks;
  readonly readiness: Readiness;
}

@Module({})
export class RegistryModule {
  static of({
    authentication,
    audit,
    models,
    releases,
    rollouts,
    benchmarks,
    readiness,
  }: RegistryParts): DynamicModule {
    return {
      module: RegistryModule,
      controllers: registryControllers,
      providers: [
        { provide: AuditViews, useValue: audit },
        { provide: Models, useValue: models.models },
        { provide: BlobStore, useValue: models.blobs },
        { provide: ModelJobs, useValue: models.modelJobs },
        { provide: ModelImports, useValue: models.imports },
        { provide: DeployPolicies, useValue: models.policies },
        { provide: Releases, useValue: releases },
        { provide: Rollouts, useValue: rollouts },
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
