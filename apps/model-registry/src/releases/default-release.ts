import { releaseManifestSchema, type ReleaseManifest, type SelfTest } from '@sightline/contracts';
import type { Logger } from '@sightline/kernel';
import {
  defaultCatalog,
  importCatalogModels,
  modelTasks,
  type CatalogModel,
  type ModelTask,
  type StoredFile,
} from '@sightline/model-catalog';
import { modelTarget, type NewRelease } from '@sightline/release-trust';

import type { EvaluatedModels } from '../evaluation/index.js';
import { realProofInputs } from './proof-inputs.js';

/** What a device takes that nobody told otherwise. */
export const DEFAULT_CHANNEL = 'default';

// Fixed, not the time of building: the same models must give the same digest on every machine.
const VERSION = '1.0.0';
const CREATED_AT = '2026-11-01T00:00:00Z';

type ImportedModels = ReadonlyMap<ModelTask, StoredFile>;

/** Computes what a box must reproduce, from the models and a manifest without it. */
export type ComputeSelfTest = (
  manifest: Omit<ReleaseManifest, 'selfTest'>,
  read: (target: string) => Uint8Array,
) => Promise<SelfTest>;

export interface DefaultReleaseOptions {
  readonly modelStoreDirectory: string;
  readonly computeSelfTest: ComputeSelfTest;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the default release out of the model catalog, imported. The same models and the same self-test give
 * the same bytes.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable), `MODEL.INVALID`, `MODEL.NOT_EQUIVALENT`
 */
export async function buildDefaultRelease(options: DefaultReleaseOptions): Promise<NewRelease> {
  const files = await importDefaultModels(options);
  const withoutSelfTest = manifestWithoutSelfTest();
  const byTarget = new Map(modelTasks.map((task) => [targetOf(task), fileOf(files, task)]));
  const selfTest = await options.computeSelfTest(withoutSelfTest, (target) => {
    const file = byTarget.get(target);
    if (file === undefined) throw new Error(`the manifest names no file ${target}`);
    return file.bytes;
  });
  // Parsing puts the members into the schema's order, whoever built the object.
  const manifest = releaseManifestSchema.parse({ ...withoutSelfTest, selfTest });
  return {
    manifestBytes: Buffer.from(`${JSON.stringify(manifest)}\n`),
    files: new Map([...byTarget].map(([target, file]) => [target, file.path])),
    channel: DEFAULT_CHANNEL,
  };
}

/** Brings the imported models into the model store. Returns at once when they are there. */
function importDefaultModels({
  modelStoreDirectory: storeDirectory,
  log,
  signal,
}: Omit<DefaultReleaseOptions, 'computeSelfTest'>): Promise<ImportedModels> {
  const options = { storeDirectory, log, ...(signal && { signal }) };
  return importCatalogModels({ ...options, proofInputs: () => realProofInputs(options) });
}

/** Where the bytes of the default models can be had again, by digest. */
export async function defaultModelSources(
  options: Omit<DefaultReleaseOptions, 'computeSelfTest'>,
): Promise<ReadonlyMap<string, string>> {
  const files = await importDefaultModels(options);
  return new Map([...files].map(([task, { path }]) => [defaultCatalog[task].imported.sha256, path]));
}

/** The default models and how they are run. */
export async function readDefaultModels(
  options: Omit<DefaultReleaseOptions, 'computeSelfTest'>,
): Promise<EvaluatedModels> {
  const files = await importDefaultModels(options);
  const { detector, landmarks, embedder, presentationAttack } = defaultCatalog;
  return {
    detector: { bytes: fileOf(files, 'detector').bytes, spec: detector.spec },
    landmarks: { bytes: fileOf(files, 'landmarks').bytes, spec: landmarks.spec },
    embedder: { bytes: fileOf(files, 'embedder').bytes, spec: embedder.spec },
    presentationAttack: { bytes: fileOf(files, 'presentationAttack').bytes, spec: presentationAttack.spec },
  };
}

/** TUF target of one of the default models. */
function targetOf(task: ModelTask): string {
  const { path, imported } = defaultCatalog[task];
  return modelTarget(task, imported.sha256, path.slice(path.lastIndexOf('/') + 1));
}

function manifestWithoutSelfTest(): Omit<ReleaseManifest, 'selfTest'> {
  const { modelSpace, detector, landmarks, embedder, presentationAttack, calibration } = defaultCatalog;
  const model = <Spec>(task: ModelTask, { imported, provenance, spec }: CatalogModel<Spec>) => ({
    target: targetOf(task),
    ...imported,
    provenance,
    spec,
  });
  return {
    formatVersion: 1,
    version: VERSION,
    createdAt: CREATED_AT,
    modelSpace,
    detector: model('detector', detector),
    landmarks: model('landmarks', landmarks),
    embedder: model('embedder', embedder),
    presentationAttack: model('presentationAttack', presentationAttack),
    calibration,
  };
}

function fileOf(files: ImportedModels, task: ModelTask): StoredFile {
  const file = files.get(task);
  if (file === undefined) throw new Error(`the model store has no ${task}`);
  return file;
}
