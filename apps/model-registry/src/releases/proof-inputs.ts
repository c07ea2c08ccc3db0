import type { InputSpec } from '@sightline/contracts';
import type { Logger } from '@sightline/kernel';
import { defaultCatalog, fetchProofPhotos, type ModelTask, type ProofFace } from '@sightline/model-catalog';
import type { ProofInput } from '@sightline/model-tools';
import {
  alignment,
  boxToFrame,
  channelCount,
  clipToFrame,
  detectorView,
  presentationView,
  Resampler,
  squareAround,
  type Affine,
  type Box,
  type LoadedFrame,
} from '@sightline/vision';

export interface ProofInputOptions {
  readonly storeDirectory: string;
  readonly log: Logger;
  readonly signal?: AbortSignal;
}

/**
 * What the default models see of real photographs of people, each its own part of them, as in service.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable) when the photographs cannot be fetched
 */
export async function realProofInputs(
  options: ProofInputOptions,
): Promise<ReadonlyMap<ModelTask, readonly ProofInput[]>> {
  // Loaded when something is imported: a registry that serves decodes no photographs.
  const { decodeImage } = await import('@sightline/recognition');
  const inputs: Record<ModelTask, ProofInput[]> = { detector: [], landmarks: [], embedder: [], presentationAttack: [] };
  const resampler = new Resampler();
  for (const { bytes, faces } of await fetchProofPhotos(options)) {
    const frame = resampler.load(await decodeImage(bytes));
    const { spec } = defaultCatalog.detector;
    inputs.detector.push(inputOf(frame, boxView(detectorView(frame, spec), spec.input), spec.input));
    for (const face of faces) {
      for (const [task, input] of inputsOfFace(frame, face)) inputs[task].push(input);
    }
  }
  return new Map(Object.entries(inputs) as [ModelTask, ProofInput[]][]);
}

function inputsOfFace(frame: LoadedFrame, { box, points }: ProofFace): [ModelTask, ProofInput][] {
  const { landmarks, embedder, presentationAttack } = defaultCatalog;
  const head = squareAround(box, box.height);
  const toFace = alignment(points, embedder.spec.alignmentTemplate);
  const views: [ModelTask, InputSpec, Affine | undefined][] = [
    ['landmarks', landmarks.spec.input, boxView(clipToFrame(head, frame), landmarks.spec.input)],
    ['embedder', embedder.spec.input, toFace],
    ['presentationAttack', presentationAttack.spec.input, presentationView(box, frame, presentationAttack.spec)],
  ];
  return views.map(([task, format, view]) => [task, inputOf(frame, view, format)]);
}

function boxView(box: Box | undefined, { width, height }: InputSpec): Affine | undefined {
  return box && boxToFrame(box, width, height);
}

function inputOf(frame: LoadedFrame, view: Affine | undefined, format: InputSpec): ProofInput {
  if (view === undefined) throw new Error('a face of the photographs cannot be cut out');
  // A copy: the frame's tensors hold until the next one.
  const values = Float32Array.from(frame.tensor(view, format));
  return [{ shape: [1, channelCount(format), format.height, format.width], values }];
}
