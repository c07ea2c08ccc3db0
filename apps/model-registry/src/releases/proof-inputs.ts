import type {
  DetectorSpec,
  EmbedderSpec,
  InputSpec,
  LandmarksSpec,
  PresentationAttackSpec,
} from '@sightline/contracts';
import type { Logger } from '@sightline/kernel';
import { defaultCatalog, fetchProofPhotos, modelTasks, type ModelTask, type ProofFace } from '@sightline/model-catalog';
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
  /** How the models are run whose inputs are wanted. Default, for each: as the default model of its task. */
  readonly specs?: Partial<TaskSpecs>;
}

interface TaskSpecs {
  readonly detector: DetectorSpec;
  readonly landmarks: LandmarksSpec;
  readonly embedder: EmbedderSpec;
  readonly presentationAttack: PresentationAttackSpec;
}

function specsOf(wanted: Partial<TaskSpecs> = {}): TaskSpecs {
  const { detector, landmarks, embedder, presentationAttack } = defaultCatalog;
  return {
    ...{ detector: detector.spec, landmarks: landmarks.spec, embedder: embedder.spec },
    ...{ presentationAttack: presentationAttack.spec, ...wanted },
  };
}

/**
 * What models see of real photographs of people, each its own part of them, as in service.
 *
 * @throws AppError `MODEL.SOURCE_UNAVAILABLE` (retryable) when the photographs cannot be fetched
 */
export async function realProofInputs(
  options: ProofInputOptions,
): Promise<ReadonlyMap<ModelTask, readonly ProofInput[]>> {
  return inputsOfPhotos(await fetchProofPhotos(options), options.specs);
}

/** A photograph, and where its faces are. */
export interface SeenPhoto {
  /** A JPEG or PNG file. */
  readonly bytes: Uint8Array;
  readonly faces: readonly Face[];
}

type Face = Pick<ProofFace, 'box' | 'points'>;

/**
 * What models see of photographs.
 *
 * @param wanted how the models are run. Default, for each: as the default model of its task
 */
export async function inputsOfPhotos(
  photos: Iterable<SeenPhoto> | AsyncIterable<SeenPhoto>,
  wanted: Partial<TaskSpecs> = {},
): Promise<ReadonlyMap<ModelTask, readonly ProofInput[]>> {
  // Loaded when something is imported: a registry that serves decodes no photographs.
  const { decodeImage } = await import('@sightline/recognition');
  const specs = specsOf(wanted);
  const only = modelTasks.filter((task) => Object.keys(wanted).length === 0 || wanted[task] !== undefined);
  const inputs: Record<ModelTask, ProofInput[]> = { detector: [], landmarks: [], embedder: [], presentationAttack: [] };
  const resampler = new Resampler();
  for await (const { bytes, faces } of photos) {
    const frame = resampler.load(await decodeImage(bytes));
    const { detector } = specs;
    if (only.includes('detector')) {
      inputs.detector.push(inputOf(frame, boxView(detectorView(frame, detector), detector.input), detector.input));
    }
    for (const face of faces) {
      for (const [task, input] of inputsOfFace(frame, face, specs)) if (only.includes(task)) inputs[task].push(input);
    }
  }
  return new Map(Object.entries(inputs) as [ModelTask, ProofInput[]][]);
}

function inputsOfFace(
  frame: LoadedFrame,
  { box, points }: Face,
  { landmarks, embedder, presentationAttack }: TaskSpecs,
): [ModelTask, ProofInput][] {
  const head = squareAround(box, box.height);
  const toFace = alignment(points, embedder.alignmentTemplate);
  const views: [ModelTask, InputSpec, Affine | undefined][] = [
    ['landmarks', landmarks.input, boxView(clipToFrame(head, frame), landmarks.input)],
    ['embedder', embedder.input, toFace],
    ['presentationAttack', presentationAttack.input, presentationView(box, frame, presentationAttack)],
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
