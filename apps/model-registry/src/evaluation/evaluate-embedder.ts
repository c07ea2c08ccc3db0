import { decodeImage, type Recogniser } from '@sightline/recognition';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { dataSetDigest, identityOf, readDataSet, type DataSet } from './data-set.js';
import { degradedRates, embedDegraded } from './degraded-probes.js';
import { embedImages, type EmbeddedImages } from './embed-images.js';
import { embedderFigures } from './embedder-figures.js';
import type { EmbedderEvaluation } from './evaluation-report.js';
import type { EvaluationRequest } from './evaluation-request.js';
import { digestOf, openModels, variantOf, withModel, type EvaluationRun } from './evaluation-run.js';
import type { Measurement } from './measure.js';

/** Measures an embedder: how it tells people apart, and how near it is to its parent. */
export async function evaluateEmbedder(request: EvaluationRequest, run: EvaluationRun): Promise<EmbedderEvaluation> {
  const data = await readDataSet(request.dataSetDirectory);
  const { models, workers = 1, parent } = request;
  const recogniser = await openModels(models, { workers });
  try {
    const twin = parent && (await openModels(withModel(models, 'embedder', parent), { workers }));
    const embedded = await embedAll(data, { recogniser, twin }, run).finally(() => twin?.close());
    run.onProgress({ step: 'comparing', done: 0, total: 1 });
    const { measured, ...figures } = embedderFigures(data, embedded, {
      name: basename(data.folder),
      variantDigest: digestOf(variantOf(request)),
      parentDigest: parent && digestOf(parent),
    });
    const { degradedProbes = true } = request;
    return {
      task: 'embedder',
      variantDigest: digestOf(variantOf(request)),
      dataSet: {
        name: basename(data.folder),
        digest: await dataSetDigest(data),
        images: data.images.length,
        identities: new Set(data.images.map(identityOf)).size,
        withoutFace: embedded.missed.length,
      },
      ...figures,
      degraded: degradedProbes ? await degradedFigures(data, { recogniser, embedded, measured }, run) : [],
      embedMs: embedded.stageMs.embed,
    };
  } finally {
    await recogniser.close();
  }
}

interface Embedders {
  readonly recogniser: Recogniser;
  readonly twin?: Recogniser | undefined;
}

function embedAll(data: DataSet, { recogniser, twin }: Embedders, run: EvaluationRun): Promise<EmbeddedImages> {
  const total = data.images.length;
  return embedImages({
    ...{ recogniser, twin, images: data.images, load: loaderOf(data), signal: run.signal },
    // As it is in service: several views are enrolled, one is searched.
    forEnrolment: true,
    onProgress: (done) => run.onProgress({ step: 'embedding', done, total }),
  });
}

interface Embedded {
  readonly recogniser: Recogniser;
  readonly embedded: EmbeddedImages;
  readonly measured: Measurement;
}

/** At a false-match rate of 1e-3, or at the rarest that the data allow. */
async function degradedFigures(
  data: DataSet,
  { recogniser, embedded, measured }: Embedded,
  { signal, onProgress }: EvaluationRun,
): Promise<EmbedderEvaluation['degraded']> {
  const point = measured.rates.find(({ falseMatchRate }) => falseMatchRate === 1e-3) ?? measured.rates.at(-1);
  const folds = [...new Set(data.foldOfIdentity.values())].sort((a, b) => a - b);
  const trial = {
    data,
    clean: embedded,
    thresholds: new Map(folds.map((fold, at) => [fold, point?.foldThresholds[at] ?? 1])),
  };
  const runs = await embedDegraded(
    recogniser,
    trial,
    loaderOf(data),
    (step) => {
      onProgress({ step: `degraded probes: ${step}`, done: 0, total: 1 });
    },
    signal,
  );
  return degradedRates(trial, runs).map(({ name, missedFaces, tar, medianQuality }) => {
    return { name, withoutFace: missedFaces, trueAcceptRate: tar / 100, medianQuality };
  });
}

function loaderOf({ folder }: DataSet) {
  return async (image: string) => decodeImage(await readFile(join(folder, 'images', image)));
}
