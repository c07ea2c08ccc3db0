import { serveWorker, transferring } from '@sightline/onnx-runtime';
import type { Frame } from '@sightline/vision';

import { Pipeline, type PipelineModels } from './pipeline.js';
import type { FaceViews } from './recogniser.js';
import { probeModels } from './self-test-probe.js';

/** What every worker of a pool is started with. */
export interface RecognitionWorkerData {
  readonly models: PipelineModels;
  readonly providers: readonly string[];
}

interface EmbedCall {
  /** Aligned faces. */
  readonly faces: readonly Uint8Array[];
  readonly views: FaceViews;
}

function recognitionCalls(pipeline: Pipeline) {
  return {
    describe: () => pipeline.describe(),
    detect: async (frame: Frame) => {
      const result = await pipeline.detect(frame);
      return transferring(
        result,
        result.faces.map(({ aligned }) => aligned.buffer as ArrayBuffer),
      );
    },
    embed: async ({ faces, views }: EmbedCall) => {
      const began = performance.now();
      const embeddings: Float32Array[] = [];
      for (const face of faces) embeddings.push(await pipeline.embed(face, views));
      return { embeddings, embedMs: performance.now() - began };
    },
    probe: ({ seed }: { readonly seed: number }) => probeModels(pipeline, seed),
  };
}

export type RecognitionCalls = ReturnType<typeof recognitionCalls>;

serveWorker(async (workerData) => {
  const { models, providers } = workerData as RecognitionWorkerData;
  return recognitionCalls(await Pipeline.open(models, { providers }));
});
