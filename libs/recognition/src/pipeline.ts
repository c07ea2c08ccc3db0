import type { DetectorSpec, EmbedderSpec, LandmarksSpec } from '@sightline/contracts';
import { AppError, systemClock } from '@sightline/kernel';
import type { SessionOptions, UnavailableProvider } from '@sightline/onnx-runtime';
import {
  alignFace,
  boxToFrame,
  clipToFrame,
  decodeDetections,
  detectorView,
  faceQuality,
  fivePointsOf68,
  squareAround,
  warp,
  type Box,
  type Detection,
  type FivePoints,
  type Frame,
  type OutputTensors,
} from '@sightline/vision';

import type { DetectionResult, Face } from './recogniser.js';
import { VisionModel } from './vision-model.js';

/** A model file together with its spec: what one worker needs of a bundle. */
interface ModelSource<Spec> {
  readonly bytes: Uint8Array;
  readonly spec: Spec;
}

export interface PipelineModels {
  readonly detector: ModelSource<DetectorSpec>;
  readonly landmarks: ModelSource<LandmarksSpec>;
  readonly embedder: ModelSource<EmbedderSpec>;
}

interface LoadedModel<Spec> {
  readonly model: VisionModel;
  readonly spec: Spec;
}

interface LoadedModels {
  readonly detector: LoadedModel<DetectorSpec>;
  readonly landmarks: LoadedModel<LandmarksSpec>;
  readonly embedder: LoadedModel<EmbedderSpec>;
}

/** The path from a frame to embeddings, in the thread that calls it. */
export class Pipeline {
  readonly #models: LoadedModels;

  private constructor(models: LoadedModels) {
    this.#models = models;
  }

  /** @throws AppError `MODEL.INVALID` */
  static async open({ detector, landmarks, embedder }: PipelineModels, options: SessionOptions): Promise<Pipeline> {
    const load = async <Spec extends DetectorSpec | LandmarksSpec | EmbedderSpec>(
      name: string,
      { bytes, spec }: ModelSource<Spec>,
    ): Promise<LoadedModel<Spec>> => ({ model: await VisionModel.open(name, bytes, spec.input, options), spec });
    return new Pipeline({
      detector: await load('detector', detector),
      landmarks: await load('landmark model', landmarks),
      embedder: await load('embedder', embedder),
    });
  }

  /** Execution providers in use, and those that were wanted in vain. */
  describe(): { readonly providers: readonly string[]; readonly unavailable: readonly UnavailableProvider[] } {
    const sessions = Object.values(this.#models).map(({ model }: LoadedModel<unknown>) => model.session);
    return {
      providers: [...new Set(sessions.map(({ provider }) => provider))],
      unavailable: sessions.flatMap(({ unavailable }) => unavailable),
    };
  }

  /** Faces of a frame of any size, largest first. A detection on which no face can be aligned is left out. */
  async detect(frame: Frame): Promise<DetectionResult> {
    const stageMs = { detect: 0, landmarks: 0, align: 0 };
    const timed = async <T>(stage: keyof typeof stageMs, work: () => Promise<T> | T): Promise<T> => {
      const began = systemClock.monotonicMs();
      const result = await work();
      stageMs[stage] += systemClock.monotonicMs() - began;
      return result;
    };
    const detections = await timed('detect', () => this.#detections(frame));
    const faces: Face[] = [];
    for (const { box, score } of detections) {
      const fivePoints = await timed('landmarks', () => this.#fivePoints(frame, box));
      if (fivePoints === undefined) continue;
      const face = await timed('align', () => this.#alignedFace(frame, fivePoints));
      if (face !== undefined) faces.push({ box, score, fivePoints, ...face });
    }
    return { faces, stageMs };
  }

  /**
   * @param aligned as {@link align} returns it
   * @returns a vector of length one
   * @throws AppError `TEMPLATE.INVALID`, `TEMPLATE.WRONG_DIMENSION` when the embedder yields no such vector
   */
  async embed(aligned: Uint8Array): Promise<Float32Array> {
    const { model, spec } = this.#models.embedder;
    const { width, height } = spec.input;
    if (aligned.length !== width * height * 3) {
      throw new AppError('FACE.NOT_ALIGNED', `An aligned face has ${width} × ${height} pixels of three bytes.`);
    }
    return unitVector(await model.runSingle(aligned), spec.dimension);
  }

  /** The detector's outputs as they are. */
  async detectorOutputs(frame: Frame): Promise<OutputTensors> {
    const { model, spec } = this.#models.detector;
    const { width, height } = spec.input;
    return model.run(warp(frame, boxToFrame(detectorView(frame, spec), width, height), width, height));
  }

  /** The landmark model's output for a crop of the frame, 136 numbers. */
  async landmarkOutput(frame: Frame, crop: Box): Promise<Float32Array> {
    const { model, spec } = this.#models.landmarks;
    const { width, height } = spec.input;
    return model.runSingle(warp(frame, boxToFrame(crop, width, height), width, height));
  }

  /** Warps a face to the embedder's input; undefined when its points coincide. */
  align(frame: Frame, points: FivePoints): Uint8Array | undefined {
    const { input, alignmentTemplate } = this.#models.embedder.spec;
    return alignFace(frame, points, { width: input.width, height: input.height, template: alignmentTemplate });
  }

  async #detections(frame: Frame): Promise<Detection[]> {
    const { spec } = this.#models.detector;
    const found = decodeDetections(await this.detectorOutputs(frame), spec, detectorView(frame, spec));
    return found.sort((one, other) => area(other.box) - area(one.box));
  }

  async #fivePoints(frame: Frame, box: Box): Promise<FivePoints | undefined> {
    const crop = clipToFrame(squareAround(box, box.height), frame);
    return crop && fivePointsOf68(await this.landmarkOutput(frame, crop), crop);
  }

  #alignedFace(frame: Frame, points: FivePoints): Pick<Face, 'quality' | 'aligned'> | undefined {
    const { width, height } = this.#models.embedder.spec.input;
    const aligned = this.align(frame, points);
    return aligned && { aligned, quality: faceQuality(points, { data: aligned, width, height }) };
  }
}

function area({ width, height }: Box): number {
  return width * height;
}

function unitVector(vector: Float32Array, dimension: number): Float32Array {
  if (vector.length !== dimension) {
    throw new AppError('TEMPLATE.WRONG_DIMENSION', 'The embedder yields another dimension than its manifest states.', {
      details: { expected: dimension, actual: vector.length },
    });
  }
  const length = Math.hypot(...vector);
  if (!(length > 1e-6 && Number.isFinite(length))) {
    throw new AppError('TEMPLATE.INVALID', 'The embedder yields a vector that is not finite, or zero.');
  }
  return vector.map((component) => component / length);
}
