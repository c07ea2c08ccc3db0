import { AppError, type Logger, type Sha256 } from '@sightline/kernel';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { evaluateModel, type EvaluatedModels } from '../evaluation/index.js';
import type { BlobStore } from '../models/blob-store.js';
import { fetchCatalogEntry } from '../models/model-catalog.js';
import { variantOf, type Models } from '../models/models.js';
import type { Model, ModelVariant } from '../models/model-manifest.js';
import type { DoJob, JobWork } from './model-jobs.js';
import { runModelWork } from './run-model-work.js';
import type { WorkLimits } from './work-protocol.js';

export interface JobPlaces {
  readonly log: Logger;
  readonly models: Models;
  readonly blobs: BlobStore;
  /** Where the default models and the photographs of proofs are kept. */
  readonly modelStoreDirectory: string;
  /** Images of known people that models are evaluated on. Without them nothing is. */
  readonly evaluationDataDirectory: string | undefined;
  /** The default models, with which a model is evaluated that is only a part of the way from image to embedding. */
  readonly defaultModels: () => Promise<EvaluatedModels>;
  readonly limits: WorkLimits;
}

/** Does the jobs on models: variants in a process of their own, evaluations in threads of theirs. */
export function jobWorker(places: JobPlaces): DoJob {
  return (work) => (work.kind === 'evaluate' ? evaluate(places, work) : make(places, work));
}

const make = async (places: JobPlaces, work: JobWork): ReturnType<DoJob> => {
  const { models, blobs, modelStoreDirectory, limits, evaluationDataDirectory: dataSetDirectory } = places;
  const { tenantId, modelId, kind, options, signal, onProgress } = work;
  if (kind === 'evaluate') throw new Error('an evaluation makes no variant');
  const model = await models.get(tenantId, modelId);
  const parent = kind === 'imported' ? undefined : variantOf(model, options.variant);
  const output = blobs.partPath();
  const source = (parent?.digest ?? model.source) as Sha256;
  if (kind === 'imported') await fetchSource(places, work, source);
  // Read once before: a damaged file is told apart from a bad model.
  await blobs.read(source);
  try {
    const report = await runModelWork(
      {
        ...{ kind, output, storeDirectory: modelStoreDirectory, source: blobs.path(source) },
        ...{ dataSetDirectory, model: model.manifest, options: options.options },
      },
      { ...limits, signal, onProgress },
    );
    const blob = await blobs.adopt(output);
    const variant = { modelId, blob, kind, parent: parent?.digest, report: { [kind]: report } };
    return {
      report: { ...report, variant: blob.sha256, bytes: blob.bytes },
      // The same bytes again are the parent itself: nothing was there to be done.
      finish: async (tx) => {
        if (blob.sha256 !== parent?.digest) await models.addVariant(tx, variant);
      },
    };
  } finally {
    await rm(output, { force: true });
  }
};

/** Gets the file of a model of the catalog, unless it is here. */
async function fetchSource(
  { blobs, modelStoreDirectory: storeDirectory, log }: JobPlaces,
  { options: { options }, signal, onProgress }: JobWork,
  source: Sha256,
): Promise<void> {
  if (typeof options.catalog !== 'string') return;
  onProgress('fetching the file from its source', 0);
  const bytes = await fetchCatalogEntry(options.catalog, { storeDirectory, log, signal });
  await blobs.put(Readable.from([bytes]), bytes.length, source);
}

const evaluate = async (places: JobPlaces, work: JobWork): ReturnType<DoJob> => {
  const { models, blobs, evaluationDataDirectory } = places;
  const { tenantId, modelId, options, signal, onProgress } = work;
  if (evaluationDataDirectory === undefined) {
    throw new AppError('EVALUATION.INVALID', 'The registry has no data set (SIGHTLINE_EVALUATION_DATA_DIRECTORY).');
  }
  const model = await models.get(tenantId, modelId);
  const variant = variantOf(model, options.variant);
  const parent = variant.parent === null ? undefined : await blobs.read(variant.parent as Sha256);
  const evaluation = await evaluateModel(
    {
      task: model.manifest.task,
      models: await modelsWith(places, model, variant),
      dataSetDirectory: evaluationDataDirectory,
      degradedProbes: options.options.degradedProbes !== false,
      ...(parent && { parent }),
    },
    { signal, onProgress: ({ step, done, total }) => onProgress(step, total > 0 ? done / total : 0) },
  );
  return {
    report: { variant: variant.digest, evaluation },
    finish: (tx) => models.addToReport(tx, { modelId, digest: variant.digest }, { evaluation }),
  };
};

async function modelsWith(
  { blobs, defaultModels }: JobPlaces,
  { manifest }: Model,
  { digest }: ModelVariant,
): Promise<EvaluatedModels> {
  const bytes = await blobs.read(digest as Sha256);
  return { ...(await defaultModels()), [manifest.task]: { bytes, spec: manifest.spec } };
}
