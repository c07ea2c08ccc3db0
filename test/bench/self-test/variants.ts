import type { VerifiedBundle } from '@sightline/contracts';
import { centralFace, type DataSet } from '@sightline/model-registry/evaluation';
import { fetchCatalogFiles, modelTasks, type ModelTask } from '@sightline/model-catalog';
import { quantiseModel, storeInHalfPrecision, type ProofInput } from '@sightline/model-tools';
import { decodeImage, openRecogniser } from '@sightline/recognition';
import { bundleOf, modelStoreDirectory } from '@sightline/testing';
import { channelCount, identity, Resampler } from '@sightline/vision';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Faces that int8's ranges are found on: enough for a self-test, which asks for no accuracy. */
const CALIBRATION_FACES = 60;

/** The default release with other files of the same models. */
export async function variantsOf(
  imported: VerifiedBundle,
  data: DataSet,
): Promise<ReadonlyMap<string, VerifiedBundle>> {
  const sources = await fetchCatalogFiles({ storeDirectory: modelStoreDirectory });
  const shipped = async (task: ModelTask): Promise<Uint8Array> => sources.get(task)?.bytes ?? new Uint8Array();
  const half = async (task: ModelTask): Promise<Uint8Array> =>
    storeInHalfPrecision(await imported.read(imported.manifest[task]?.target ?? '')).bytes;
  return new Map([
    ['imported', imported],
    ['as shipped', await withFiles(imported, shipped)],
    ['fp16 storage', await withFiles(imported, half)],
    ['int8 embedder', await withFiles(imported, await int8Embedder(imported, data))],
  ]);
}

async function int8Embedder(imported: VerifiedBundle, data: DataSet) {
  const read = (task: ModelTask): Promise<Uint8Array> => imported.read(imported.manifest[task]?.target ?? '');
  const inputs = await alignedInputs(imported, data);
  const { bytes } = await quantiseModel(await read('embedder'), { inputs: () => inputs });
  return (task: ModelTask): Promise<Uint8Array> => (task === 'embedder' ? Promise.resolve(bytes) : read(task));
}

async function alignedInputs(bundle: VerifiedBundle, { folder, calibration }: DataSet): Promise<ProofInput[]> {
  const { input } = bundle.manifest.embedder.spec;
  const { width, height } = input;
  const resampler = new Resampler();
  const recogniser = await openRecogniser({ bundle });
  const inputs: ProofInput[] = [];
  try {
    for (const image of calibration.slice(0, CALIBRATION_FACES)) {
      const frame = await decodeImage(await readFile(join(folder, 'images', image)));
      const face = centralFace((await recogniser.detect(frame)).faces, frame);
      if (face === undefined) continue;
      const values = Float32Array.from(resampler.load({ width, height, data: face.aligned }).tensor(identity, input));
      inputs.push([{ shape: [1, channelCount(input), height, width], values }]);
    }
  } finally {
    await recogniser.close();
  }
  return inputs;
}

async function withFiles(
  { manifest }: VerifiedBundle,
  bytesOf: (task: ModelTask) => Promise<Uint8Array>,
): Promise<VerifiedBundle> {
  const files = new Map<string, Uint8Array>();
  const models: Partial<Record<ModelTask, unknown>> = {};
  for (const task of modelTasks) {
    const model = manifest[task];
    if (model === undefined) continue;
    const bytes = await bytesOf(task);
    files.set(model.target, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    models[task] = { ...model, sha256, bytes: bytes.length };
  }
  const changed = { ...manifest, ...(models as Pick<typeof manifest, ModelTask>) };
  const calibration = { ...manifest.calibration, variantDigest: changed.embedder.sha256 };
  return bundleOf({ ...changed, calibration }, (target) => Promise.resolve(files.get(target) ?? new Uint8Array()));
}
