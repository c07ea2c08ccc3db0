import type { Database } from '@sightline/database';
import { openJobs, type Jobs } from '@sightline/jobs';
import { join } from 'node:path';

import type { Audit } from '../audit/audit.js';
import type { ModelRegistryConfig } from '../config.js';
import type { EvaluatedModels } from '../evaluation/index.js';
import { jobWorker } from '../optimisation/do-job.js';
import { ModelJobs } from '../optimisation/model-jobs.js';
import { BlobStore } from './blob-store.js';
import { DeployPolicies } from './licence.js';
import { ModelImports } from './model-imports.js';
import { Models } from './models.js';

/** Models, their files, the work on them and what they may be used for. */
export interface ModelParts {
  readonly models: Models;
  readonly blobs: BlobStore;
  readonly modelJobs: ModelJobs;
  readonly imports: ModelImports;
  readonly policies: DeployPolicies;
  /** Not started yet: whoever else has jobs adds them first. */
  readonly jobs: Jobs;
}

/** Puts together what the registry has of models. */
export function openModels(
  config: ModelRegistryConfig,
  parts: {
    readonly database: Database;
    readonly audit: Audit;
    readonly defaultModels: () => Promise<EvaluatedModels>;
  },
): ModelParts {
  const { clock, log, modelStoreDirectory, evaluationDataDirectory, modelWork } = config;
  const { database, audit, defaultModels } = parts;
  const blobs = new BlobStore(join(config.dataDirectory, 'blobs'));
  const models = new Models({ database, blobs, audit, clock });
  const jobs = openJobs({ redisUrl: config.redisUrl, postgresUrl: config.databaseUrl, log, clock });
  const work = jobWorker({
    ...{ log, models, blobs, modelStoreDirectory, evaluationDataDirectory, defaultModels },
    limits: modelWork,
  });
  const modelJobs = new ModelJobs({ database, jobs, models, audit, clock, log, work });
  const imports = new ModelImports(models, modelJobs);
  return { models, blobs, modelJobs, imports, policies: new DeployPolicies(database, audit), jobs };
}
