import type { VerifiedBundle } from '@sightline/contracts';
import { WorkerPool } from '@sightline/onnx-runtime';
import { openRecogniser, type Recogniser } from '@sightline/recognition';

import type { BoxRoadModels } from './box-roads-pipeline.js';
import type { BoxRoadCalls } from './box-roads-worker.js';
import type { BoxRoad } from './box-roads.js';

/**
 * A bundle's recogniser with other boxes.
 *
 * @param workers threads each for detecting and for embedding, which take turns
 */
export async function openOnBoxRoad(
  bundle: VerifiedBundle,
  road: BoxRoad,
  workers: number,
): Promise<Pick<Recogniser, 'detect' | 'embed' | 'close'>> {
  const { detector, landmarks, embedder } = bundle.manifest;
  const workerData: BoxRoadModels = {
    detector: { bytes: await bundle.read(detector.target), spec: detector.spec },
    landmarks: { bytes: await bundle.read(landmarks.target), spec: landmarks.spec },
    embedder: embedder.spec,
    road,
  };
  const pool = new WorkerPool<BoxRoadCalls>({
    name: 'box roads',
    module: new URL('./box-roads-worker.js', import.meta.url),
    workerData,
    size: workers,
  });
  await pool.start();
  const recogniser = await openRecogniser({ bundle, workers });
  return {
    detect: ({ width, height, data }) => pool.call('detect', { width, height, data }),
    embed: (faces, options) => recogniser.embed(faces, options),
    close: async () => {
      await pool.close();
      await recogniser.close();
    },
  };
}
