import { AppError, seededIntegers } from '@sightline/kernel';

import type { Pipeline } from './pipeline.js';
import type { PresentationScorer } from './presentation-scorer.js';
import { syntheticFace, syntheticFrame, syntheticHead, syntheticPoints } from './synthetic-frame.js';

/** Some sums of a model's outputs, and how large the outputs are. */
export interface SignedSums {
  readonly sums: Float64Array;
  /** Euclidean length of all outputs together. */
  readonly length: number;
}

/** What the models make of the synthetic frame. */
export interface ModelProbe {
  readonly detector: SignedSums;
  readonly landmarks: SignedSums;
  /** Unit length. */
  readonly embedding: Float32Array;
  /** Of the presentation-attack model, if the bundle has one. */
  readonly presentationAttack?: SignedSums;
}

const SUMS = 32;

/**
 * Runs each model on the synthetic frame through the same steps as a real one, with the head and its points
 * given: so a model is judged alone, and no model's decision can hide another's fault.
 */
export async function probeModels(
  pipeline: Pipeline,
  scorer: PresentationScorer | undefined,
  seed: number,
): Promise<ModelProbe> {
  const frame = syntheticFrame(seed);
  const { aligned, surroundings, ...sums } = await pipeline.withFrame(frame, async (loaded) => {
    const outputs = Object.entries(await pipeline.detectorOutputs(loaded, pipeline.detectorView(loaded)))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, { data }]) => data);
    const { toFrame } = pipeline.landmarkView(syntheticHead);
    const landmarks = await pipeline.landmarkOutput(loaded, toFrame);
    return {
      detector: signedSums(outputs, seed),
      landmarks: signedSums([landmarks], seed),
      aligned: pipeline.align(loaded, syntheticPoints),
      surroundings: scorer?.surroundings(loaded, syntheticFace),
    };
  });
  if (aligned === undefined) {
    throw new AppError('MODEL.INVALID', 'The alignment template maps every point to one.');
  }
  const embedding = await pipeline.embed(aligned.data);
  if (scorer === undefined || surroundings === undefined) return { ...sums, embedding };
  return { ...sums, embedding, presentationAttack: signedSums(await scorer.outputs([surroundings]), seed) };
}

/**
 * A random projection (Johnson and Lindenstrauss 1984, with signs as Achlioptas 2003): sums in which every
 * output takes part, so that a change of any of them shows, at the cost of a few numbers in the manifest.
 */
function signedSums(outputs: readonly Float32Array[], seed: number): SignedSums {
  const next = seededIntegers(seed);
  const sums = new Float64Array(SUMS);
  let squares = 0;
  for (const values of outputs) {
    for (const value of values) {
      squares += value * value;
      for (let sum = 0; sum < SUMS; sum++) sums[sum] = (sums[sum] ?? 0) + (next(2) === 0 ? value : -value);
    }
  }
  return { sums, length: Math.sqrt(squares) };
}
