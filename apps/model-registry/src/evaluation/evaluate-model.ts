import { AppError } from '@sightline/kernel';
import { WorkerPool } from '@sightline/onnx-runtime';
import { MessageChannel } from 'node:worker_threads';

import { evaluationReportSchema, type EvaluationReport } from './evaluation-report.js';
import type { EvaluationProgress, EvaluationRequest } from './evaluation-request.js';
import type { EvaluationCalls } from './evaluation-worker.js';

export interface EvaluationOptions {
  readonly signal?: AbortSignal;
  /** Called now and then. */
  readonly onProgress?: (progress: EvaluationProgress) => void;
}

/**
 * Measures a model on a data set, in a thread of its own (and one or more that run models): the caller's event loop
 * stays free. An embedder on 4,500 images takes some minutes and stays below 1 GB.
 *
 * @throws AppError `EVALUATION.INVALID` when the data set or the request cannot be used, `MODEL.INVALID` when a model
 *   cannot be run as its spec says; the signal's reason once it is aborted: the thread has ended then
 */
export async function evaluateModel(
  request: EvaluationRequest,
  { signal, onProgress }: EvaluationOptions = {},
): Promise<EvaluationReport> {
  signal?.throwIfAborted();
  if (request.task === 'presentationAttack' && request.models.presentationAttack === undefined) {
    throw new AppError('EVALUATION.INVALID', 'There is no presentation-attack model to evaluate.');
  }
  const pool = new WorkerPool<EvaluationCalls>({
    name: 'evaluation',
    module: new URL('../../dist/evaluation/evaluation-worker.js', import.meta.url),
  });
  const { port1: own, port2: worker } = new MessageChannel();
  own.on('message', (progress: EvaluationProgress) => onProgress?.(progress));
  const abort = (): void => own.postMessage('abort');
  try {
    await pool.start();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const report = await pool.call('evaluate', { request, port: worker }, { transfer: [worker] });
    return evaluationReportSchema.parse(report);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    own.close();
    await pool.close();
  }
}
