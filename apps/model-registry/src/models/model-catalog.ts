import { AppError, type Logger } from '@sightline/kernel';
import { defaultCatalog, fetchCatalogFiles, modelTasks, type ModelTask } from '@sightline/model-catalog';
import { rest } from '@sightline/contracts';
import { z } from 'zod';

import { digestSchema, modelManifestSchema, type ModelManifest } from './model-manifest.js';

export const catalogEntrySchema = z
  .object({
    id: rest.slugSchema,
    manifest: modelManifestSchema,
    use: z.enum(['any', 'non-commercial', 'unknown']).describe('What its licence allows.'),
    source: digestSchema.describe('SHA-256 that its file must have.'),
    bytes: z.number().int(),
  })
  .meta({ id: 'CatalogEntry' });
export type CatalogEntry = z.infer<typeof catalogEntrySchema>;
export const catalogSchema = z.object({ items: z.array(catalogEntrySchema) }).meta({ id: 'Catalog' });

/** What each entry is called in addresses. */
const idOf: Readonly<Record<ModelTask, string>> = {
  detector: 'ultra-light-rfb-320',
  landmarks: 'landmarks-68',
  embedder: 'mobilefacenet-512',
  presentationAttack: 'presentation-attack-128',
};

/** Open models that are known here: their source, checksum, licence and how they are run. */
export const catalogEntries: readonly Omit<CatalogEntry, 'use'>[] = modelTasks.map((task) => {
  const { provenance, sha256, bytes } = defaultCatalog[task];
  return { id: idOf[task], source: sha256, bytes, manifest: manifestOf(task, provenance) };
});

function manifestOf(task: ModelTask, provenance: (typeof defaultCatalog)[ModelTask]['provenance']): ModelManifest {
  const { name, licence, source: origin, trainingData, note } = provenance;
  const { modelSpace, calibration } = defaultCatalog;
  return modelManifestSchema.parse({
    ...{ task, name, licence, origin, trainingData, note, spec: defaultCatalog[task].spec },
    ...(task === 'embedder' && { modelSpace: modelSpace.id, calibration }),
  });
}

/** @throws AppError `MODEL.NOT_FOUND` */
export function catalogEntry(id: string): Omit<CatalogEntry, 'use'> {
  const found = catalogEntries.find((entry) => entry.id === id);
  if (found === undefined) throw new AppError('MODEL.NOT_FOUND', 'The catalog has no such model.');
  return found;
}

/**
 * The file of an entry, from the store, or from its source. What was fetched of the source before is not fetched again.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable), `MODEL.INVALID` when the source has another file
 */
export async function fetchCatalogEntry(
  id: string,
  options: { readonly storeDirectory: string; readonly log: Logger; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { manifest } = catalogEntry(id);
  const file = (await fetchCatalogFiles(options)).get(manifest.task);
  if (file === undefined) throw new AppError('MODEL.NOT_FOUND', 'The source of the catalog has no such model.');
  return file.bytes;
}
