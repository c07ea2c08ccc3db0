import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Shared by all tests, so that models are fetched and imported once a clone. */
export const sharedStore = fileURLToPath(new URL('../../../../node_modules/.cache/sightline/models', import.meta.url));

/** Of the shared store, which other tests fill at the same time, the models alone. */
export async function copyToStore(
  files: ReadonlyMap<string, { readonly path: string }>,
  storeDirectory: string,
): Promise<void> {
  for (const { path } of files.values()) await copyFile(path, join(storeDirectory, basename(path)));
}
