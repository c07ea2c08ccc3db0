import { AppError, silentLogger, systemClock } from '@sightline/kernel';
import type { ProofInput } from '@sightline/model-tools';
import { createHash } from 'node:crypto';

import { defaultCatalog, modelTasks, type CatalogModel, type ModelTask } from './catalog.js';
import { fetchCatalogFiles, type CatalogOptions } from './fetch-catalog-files.js';
import { addToStore, readStored, type StoredFile } from './package-files.js';

export interface ImportOptions extends CatalogOptions {
  /**
   * Real inputs on which each imported model must answer as its source does. Called only when there is
   * something to import. Without it the pinned digest alone vouches: the same bytes were proven before.
   */
  readonly proofInputs?: () => Promise<ReadonlyMap<ModelTask, readonly ProofInput[]>>;
}

const EXTENSION = '.onnx';

/**
 * The models of a catalog as they are shipped: imported, from the store, and made from their source when the
 * store lacks one or holds a damaged one.
 *
 * @throws AppError as `fetchCatalogFiles` and `importModel` do; `MODEL.INVALID` when an import gives other
 *   bytes than those that the catalog pins
 */
export async function importCatalogModels(options: ImportOptions): Promise<ReadonlyMap<ModelTask, StoredFile>> {
  const { storeDirectory, catalog = defaultCatalog } = options;
  const stored = new Map<ModelTask, StoredFile>();
  for (const task of modelTasks) {
    const model = await readStored(storeDirectory, catalog[task].imported, EXTENSION);
    if (model !== undefined) stored.set(task, model);
  }
  if (stored.size === modelTasks.length) return stored;

  const sources = await fetchCatalogFiles(options);
  const inputs = await options.proofInputs?.();
  const models = new Map<ModelTask, StoredFile>();
  for (const [task, source] of sources) {
    // A model without inputs among them is refused: it was to be proven.
    const inputsOfModel = inputs && (inputs.get(task) ?? []);
    models.set(task, stored.get(task) ?? (await importOne(task, source, inputsOfModel, options)));
  }
  return models;
}

async function importOne(
  task: ModelTask,
  source: StoredFile,
  inputs: readonly ProofInput[] | undefined,
  { storeDirectory, catalog = defaultCatalog, signal, log = silentLogger }: ImportOptions,
): Promise<StoredFile> {
  signal?.throwIfAborted();
  const began = systemClock.monotonicMs();
  const { imported } = catalog[task];
  // Loaded when there is something to import: a program that only serves needs no inference.
  const { importModel, rewriteModel } = await import('@sightline/model-tools');
  const model = inputs
    ? await importModel(source.bytes, { inputs, ...(signal && { signal }) })
    : { ...rewriteModel(source.bytes), report: undefined };
  assertPinned(task, catalog[task], model.bytes);
  const stored = await addToStore(storeDirectory, imported, EXTENSION, model.bytes);
  const facts = {
    model: task,
    bytesBefore: source.bytes.length,
    bytesAfter: model.bytes.length,
    ms: Math.round(systemClock.monotonicMs() - began),
    ...(model.report && { proof: model.report.proof }),
  };
  log.info(facts, 'a model was imported');
  return stored;
}

/** Releases, thresholds and the equality of fleets rest on digests: an import that gives another one is no import. */
function assertPinned(task: ModelTask, { imported }: CatalogModel<unknown>, bytes: Uint8Array): void {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 === imported.sha256 && bytes.length === imported.bytes) return;
  throw new AppError('MODEL.INVALID', 'The import gives another file than the catalog pins: the import was changed.', {
    details: { model: task, expected: imported.sha256, actual: sha256 },
  });
}
