import { silentLogger } from '@sightline/kernel';
import type { ProofInput } from '@sightline/model-tools';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { centralFace, openModels, readDataSet } from '../evaluation/index.js';
import { readDefaultModels } from '../releases/default-release.js';
import { inputsOfPhotos, realProofInputs, type SeenPhoto } from '../releases/proof-inputs.js';
import type { ModelWork } from './work-protocol.js';

/** Frames that a detector is calibrated on at most: 300 of them would be hundreds of megabytes. */
const MOST_FRAMES = 100;

/**
 * What a model is calibrated on: the faces of `calibration.txt`, who are nobody of the evaluation, where the registry has a
 * data set, and the photographs of the proof otherwise. Each is cut out as the model's specification says.
 *
 * @throws AppError `EVALUATION.INVALID` for a data set that cannot be used, `MODEL.SOURCE_UNAVAILABLE` (retryable)
 */
export async function calibrationInputs(work: ModelWork): Promise<readonly ProofInput[]> {
  const { model, dataSetDirectory, storeDirectory } = work;
  const specs = { [model.task]: model.spec };
  if (dataSetDirectory === undefined) {
    return (await realProofInputs({ storeDirectory, log: silentLogger, specs })).get(model.task) ?? [];
  }
  const { folder, calibration } = await readDataSet(dataSetDirectory);
  const images = model.task === 'detector' ? calibration.slice(0, MOST_FRAMES) : calibration;
  const inputs = await inputsOfPhotos(photosOf(folder, images, storeDirectory), specs);
  return inputs.get(model.task) ?? [];
}

/** Each image with its central face, as the default models find it. */
async function* photosOf(folder: string, images: readonly string[], modelStoreDirectory: string) {
  const { decodeImage } = await import('@sightline/recognition');
  const recogniser = await openModels(await readDefaultModels({ modelStoreDirectory, log: silentLogger }), {});
  try {
    for (const image of images) {
      const bytes = await readFile(join(folder, 'images', image));
      const frame = await decodeImage(bytes);
      const { faces } = await recogniser.detect(frame);
      const face = centralFace(faces, frame);
      const photo: SeenPhoto = { bytes, faces: face ? [{ box: face.box, points: face.fivePoints }] : [] };
      yield photo;
    }
  } finally {
    await recogniser.close();
  }
}
