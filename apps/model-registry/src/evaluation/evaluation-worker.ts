import { serveWorker } from '@sightline/onnx-runtime';
import type { MessagePort } from 'node:worker_threads';

import { evaluateDetection } from './evaluate-detection.js';
import { evaluateEmbedder } from './evaluate-embedder.js';
import { evaluatePresentationAttacks } from './evaluate-presentation-attacks.js';
import type { EvaluationReport } from './evaluation-report.js';
import type { EvaluationProgress, EvaluationRequest } from './evaluation-request.js';

interface EvaluateCall {
  readonly request: EvaluationRequest;
  /** Progress goes out, the wish to end comes in. */
  readonly port: MessagePort;
}

async function evaluate({ request, port }: EvaluateCall): Promise<EvaluationReport> {
  const ending = new AbortController();
  port.on('message', () => ending.abort());
  const run = {
    signal: ending.signal,
    onProgress: (progress: EvaluationProgress) => port.postMessage(progress),
  };
  try {
    switch (request.task) {
      case 'embedder':
        return await evaluateEmbedder(request, run);
      case 'detector':
      case 'landmarks':
        return await evaluateDetection({ ...request, task: request.task }, run);
      case 'presentationAttack':
        return await evaluatePresentationAttacks(request, run);
    }
  } finally {
    port.close();
  }
}

const calls = { evaluate };
export type EvaluationCalls = typeof calls;

serveWorker(() => calls);
