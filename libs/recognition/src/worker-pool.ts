import type { ReleaseManifest } from '@sightline/contracts';
import { type Logger } from '@sightline/kernel';
import { WorkerPool, type Execution } from '@sightline/onnx-runtime';

import type { RecognitionCalls, RecognitionWorkerData } from './recognition-worker.js';

/** The parts of a manifest that inference needs. */
export type ManifestModels = Pick<ReleaseManifest, 'detector' | 'landmarks' | 'embedder' | 'presentationAttack'>;

export interface WorkerOptions {
  /** Threads, each with its own sessions. Default: 1. */
  readonly workers?: number;
  /** Execution providers in order of preference; 'cpu' is always the last resort. Default: CPU alone. */
  readonly providers?: readonly string[];
  /** How the CPU computes, where it is not to be as measured best. */
  readonly execution?: Execution;
  /** Whether presentations are to be scored, where the manifest has a model for it. Default: no. */
  readonly presentationAttack?: boolean;
  readonly log?: Logger;
}

export type RecognitionPool = WorkerPool<RecognitionCalls>;

/**
 * Starts workers that have loaded a manifest's models.
 *
 * @param read the bytes of one of the manifest's files
 * @throws AppError `MODEL.INVALID`, and what `read` throws
 */
export async function startRecognitionPool(
  { detector, landmarks, embedder, presentationAttack }: ManifestModels,
  read: (target: string) => Promise<Uint8Array> | Uint8Array,
  { workers = 1, providers = [], execution, presentationAttack: scoresPresentations = false, log }: WorkerOptions,
): Promise<RecognitionPool> {
  const scorer = scoresPresentations ? presentationAttack : undefined;
  const workerData: RecognitionWorkerData = {
    providers,
    ...(execution && { execution }),
    models: {
      detector: { bytes: await read(detector.target), spec: detector.spec },
      landmarks: { bytes: await read(landmarks.target), spec: landmarks.spec },
      embedder: { bytes: await read(embedder.target), spec: embedder.spec },
    },
    ...(scorer && { presentationAttack: { bytes: await read(scorer.target), spec: scorer.spec } }),
  };
  const pool: RecognitionPool = new WorkerPool({
    name: 'recognition',
    module: new URL('../dist/recognition-worker.js', import.meta.url),
    workerData,
    size: workers,
    ...(log && { log }),
  });
  await pool.start();
  return pool;
}
