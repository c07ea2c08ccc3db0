import { AppError } from '@sightline/kernel';
import type { ModelTask } from '@sightline/model-catalog';
import { openRecogniser, type Recogniser, type RecognitionBundle } from '@sightline/recognition';
import { createHash } from 'node:crypto';

import type { EvaluatedModel, EvaluatedModels, EvaluationProgress, EvaluationRequest } from './evaluation-request.js';

/** What an evaluation is told while it runs. */
export interface EvaluationRun {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EvaluationProgress) => void;
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** @throws AppError `EVALUATION.INVALID` when the request has no model of its task */
export function variantOf({ task, models }: Pick<EvaluationRequest, 'task' | 'models'>): Uint8Array {
  const bytes = models[task]?.bytes;
  if (bytes === undefined) throw new AppError('EVALUATION.INVALID', `There is no ${task} model to evaluate.`);
  return bytes;
}

/** The same models with another file for one task, run by the same spec. */
export function withModel(models: EvaluatedModels, task: ModelTask, bytes: Uint8Array): EvaluatedModels {
  return { ...models, [task]: { ...models[task], bytes } };
}

/**
 * Models that are in no release yet.
 *
 * @throws AppError `MODEL.INVALID`
 */
export async function openModels(
  models: EvaluatedModels,
  { workers = 1, presentationAttack = false }: { readonly workers?: number; readonly presentationAttack?: boolean },
): Promise<Recogniser> {
  const files = new Map<string, Uint8Array>();
  const entry = <Spec>(target: string, { bytes, spec }: EvaluatedModel<Spec>) => {
    files.set(target, bytes);
    const provenance = { name: target, source: '', licence: '', trainingData: '' };
    return { target, sha256: digestOf(bytes), bytes: bytes.length, provenance, spec };
  };
  const { dimension } = models.embedder.spec;
  const manifest: RecognitionBundle['manifest'] = {
    modelSpace: { id: 'under-evaluation', dimension },
    detector: entry('detector', models.detector),
    landmarks: entry('landmarks', models.landmarks),
    embedder: entry('embedder', models.embedder),
    ...(models.presentationAttack && { presentationAttack: entry('presentationAttack', models.presentationAttack) }),
  };
  const read = (target: string): Promise<Uint8Array> => Promise.resolve(files.get(target) ?? new Uint8Array());
  return openRecogniser({ bundle: { manifest, read }, workers, presentationAttack });
}
