import type { PresentationAttackSpec } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { serveWorker, transferring, type SessionOptions } from '@sightline/onnx-runtime';
import type { Frame } from '@sightline/vision';

import { Pipeline, type PipelineModels } from './pipeline.js';
import { PresentationScorer } from './presentation-scorer.js';
import type { DetectOptions, FaceViews } from './recogniser.js';
import { probeModels } from './self-test-probe.js';
import type { ModelSource } from './vision-model.js';

/** What every worker of a pool is started with. */
export interface RecognitionWorkerData extends SessionOptions {
  readonly models: PipelineModels;
  readonly presentationAttack?: ModelSource<PresentationAttackSpec>;
}

interface EmbedCall {
  /** Aligned faces. */
  readonly faces: readonly Uint8Array[];
  readonly views: FaceViews;
}

interface DetectCall extends Pick<DetectOptions, 'surroundings' | 'faint' | 'tiles'> {
  readonly frame: Frame;
}

function recognitionCalls(pipeline: Pipeline, scorer: PresentationScorer | undefined) {
  return {
    describe: () => ({ ...describe(pipeline, scorer), scoresPresentations: scorer !== undefined }),
    detect: async ({ frame, surroundings, ...options }: DetectCall) => {
      const crop = surroundings && scorer?.cropper(surroundings.minimumQuality);
      const result = await pipeline.detect(frame, { ...options, crop });
      return transferring(
        result,
        result.faces.flatMap(({ aligned, surroundings: crop }) =>
          [aligned, ...(crop ? [crop] : [])].map(({ buffer }) => buffer as ArrayBuffer),
        ),
      );
    },
    liveScores: async ({ faces }: { readonly faces: readonly Uint8Array[] }) => {
      if (scorer === undefined) throw new AppError('PRESENTATION.UNAVAILABLE', 'There is no model for it.');
      const began = performance.now();
      const scores = await scorer.liveScores(faces);
      return { scores, presentationMs: performance.now() - began };
    },
    embed: async ({ faces, views }: EmbedCall) => {
      const began = performance.now();
      const embeddings: Float32Array[] = [];
      for (const face of faces) embeddings.push(await pipeline.embed(face, views));
      return { embeddings, embedMs: performance.now() - began };
    },
    probe: ({ seed }: { readonly seed: number }) => probeModels(pipeline, scorer, seed),
  };
}

/** Execution providers in use, and those that were wanted in vain. */
function describe(pipeline: Pipeline, scorer: PresentationScorer | undefined) {
  const sessions = [...pipeline.sessions, ...(scorer ? [scorer.session] : [])];
  return {
    providers: [...new Set(sessions.map(({ provider }) => provider))],
    unavailable: sessions.flatMap(({ unavailable }) => unavailable),
  };
}

export type RecognitionCalls = ReturnType<typeof recognitionCalls>;

serveWorker(async (workerData) => {
  const { models, presentationAttack, ...options } = workerData as RecognitionWorkerData;
  const pipeline = await Pipeline.open(models, options);
  const scorer = presentationAttack && (await PresentationScorer.open(presentationAttack, options));
  return recognitionCalls(pipeline, scorer);
});
