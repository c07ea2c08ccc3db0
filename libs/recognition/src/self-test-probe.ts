import { AppError } from '@sightline/kernel';
import { clipToFrame, squareAround } from '@sightline/vision';

import type { Pipeline } from './pipeline.js';
import { syntheticFrame, syntheticHead, syntheticPoints } from './synthetic-frame.js';

/** What the models make of the synthetic frame. */
export interface ModelProbe {
  /** Evenly spaced samples of the outputs, in the order of their names. */
  readonly detector: Float32Array;
  readonly landmarks: Float32Array;
  /** Unit length. */
  readonly embedding: Float32Array;
}

const DETECTOR_SAMPLES = 512;

/**
 * Runs each model on the synthetic frame through the same steps as a real one, with the head and its points
 * given: so a model is judged alone, and no model's decision can hide another's fault.
 */
export async function probeModels(pipeline: Pipeline, seed: number): Promise<ModelProbe> {
  const frame = syntheticFrame(seed);
  const crop = clipToFrame(squareAround(syntheticHead, syntheticHead.height), frame);
  const aligned = pipeline.align(frame, syntheticPoints);
  if (crop === undefined || aligned === undefined) {
    throw new AppError('MODEL.INVALID', 'The alignment template maps every point to one.');
  }
  const outputs = Object.entries(await pipeline.detectorOutputs(frame))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([, { data }]) => [...data]);
  return {
    detector: sampled(outputs, DETECTOR_SAMPLES),
    landmarks: await pipeline.landmarkOutput(frame, crop),
    embedding: await pipeline.embed(aligned),
  };
}

function sampled(values: readonly number[], count: number): Float32Array {
  const step = Math.max(1, values.length / count);
  const length = Math.min(count, values.length);
  return Float32Array.from({ length }, (_, index) => values[Math.floor(index * step)] ?? 0);
}
