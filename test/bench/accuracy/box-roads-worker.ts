import { serveWorker, transferring } from '@sightline/onnx-runtime';
import type { Frame } from '@sightline/vision';

import { BoxRoadPipeline, type BoxRoadModels } from './box-roads-pipeline.js';

function boxRoadCalls(pipeline: BoxRoadPipeline) {
  return {
    detect: async (frame: Frame) => {
      const result = await pipeline.detect(frame);
      return transferring(
        result,
        result.faces.map(({ aligned }) => aligned.buffer as ArrayBuffer),
      );
    },
  };
}

export type BoxRoadCalls = ReturnType<typeof boxRoadCalls>;

serveWorker(async (workerData) => boxRoadCalls(await BoxRoadPipeline.open(workerData as BoxRoadModels)));
