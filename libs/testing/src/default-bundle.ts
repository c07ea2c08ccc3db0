import { releaseManifestSchema, type ReleaseManifest, type VerifiedBundle } from '@sightline/contracts';
import { AppError, type Sha256 } from '@sightline/kernel';
import { defaultCatalog, importCatalogModels, modelTasks, type CatalogModel } from '@sightline/model-catalog';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

/** Shared by all test files of a clone: the models are fetched and imported once. */
export const modelStoreDirectory = fileURLToPath(
  new URL('../../../node_modules/.cache/sightline/models', import.meta.url),
);

/**
 * A bundle of a manifest and bytes in memory. Stands in for what `release-trust` makes of a signed release.
 *
 * @param read the bytes of one of the manifest's files
 */
export function bundleOf(manifest: ReleaseManifest, read: (target: string) => Promise<Uint8Array>): VerifiedBundle {
  const digest = createHash('sha256').update(JSON.stringify(manifest)).digest('hex') as Sha256;
  return { manifest, digest, read };
}

/**
 * The default models as a bundle, imported as a release has them. Its self-test expects nothing that a model could answer: a test that runs
 * it computes one first.
 */
export async function defaultBundle(): Promise<VerifiedBundle> {
  const files = await importCatalogModels({ storeDirectory: modelStoreDirectory });
  const entry = <Spec>(task: (typeof modelTasks)[number], { imported, provenance, spec }: CatalogModel<Spec>) => ({
    target: `models/${task}.onnx`,
    ...imported,
    provenance,
    spec,
  });
  const { modelSpace, calibration, detector, landmarks, embedder, presentationAttack } = defaultCatalog;
  const manifest = releaseManifestSchema.parse({
    formatVersion: 1,
    version: '1.0.0-test',
    createdAt: '2026-01-01T00:00:00Z',
    modelSpace,
    calibration,
    detector: entry('detector', detector),
    landmarks: entry('landmarks', landmarks),
    embedder: entry('embedder', embedder),
    presentationAttack: entry('presentationAttack', presentationAttack),
    selfTest: {
      seed: 0,
      detector: { values: [9], tolerance: 1e-9 },
      landmarks: { values: [9], tolerance: 1e-9 },
      embedding: { values: [0], minimumCosine: 1 },
    },
  });
  return bundleOf(manifest, async (target) => {
    const task = modelTasks.find((name) => `models/${name}.onnx` === target);
    const file = task && files.get(task);
    if (file === undefined) throw new AppError('RELEASE.CORRUPT', `The manifest names no file ${target}.`);
    return file.bytes;
  });
}
