import type { RequestCaller } from '@sightline/rest-server';

import type { ModelJobs } from '../optimisation/model-jobs.js';
import type { ImportedModel, NewModel } from './model-manifest.js';
import type { Models } from './models.js';

/** Begins imports: a model and the job that makes its first variant, in one transaction. */
export class ModelImports {
  readonly #models: Models;
  readonly #jobs: ModelJobs;

  constructor(models: Models, jobs: ModelJobs) {
    this.#models = models;
    this.#jobs = jobs;
  }

  /**
   * @param from the entry of the catalog that the job gets the file of; none: the tenant has uploaded it
   * @throws AppError `MODEL.FILE_MISSING`
   */
  async begin(
    caller: RequestCaller,
    wanted: NewModel,
    from: { readonly catalog?: string } = {},
  ): Promise<ImportedModel> {
    const options = { kind: 'imported', options: from };
    const hasFile = from.catalog === undefined;
    const { model, begun } = await this.#models.create(caller, { ...wanted, hasFile }, (tx, modelId) =>
      this.#jobs.add(tx, caller.tenantId, { modelId, kind: 'imported', options }),
    );
    await this.#jobs.trigger(begun);
    return { model, job: await this.#jobs.get(caller.tenantId, begun) };
  }
}
