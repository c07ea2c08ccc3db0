import type { DetectorSpec, EmbedderSpec, LandmarksSpec } from '@sightline/contracts';
import { AppError, systemClock } from '@sightline/kernel';
import type { OnnxSession, SessionOptions } from '@sightline/onnx-runtime';
import {
  alignment,
  boxToFrame,
  composeAffine,
  decodeDetections,
  detectorLooks,
  detectorView,
  faceQuality,
  fivePointsOf68,
  identity,
  landmarkCrop,
  landmarksOf,
  meanLandmarks,
  mergeLooks,
  mirrored,
  mirrorImage,
  Resampler,
  type Affine,
  type Box,
  type Detection,
  type FivePoints,
  type Frame,
  type LandmarkView,
  type LoadedFrame,
  type OutputTensors,
  type Picture,
  type Point,
} from '@sightline/vision';

import { embeddingOf } from './embedding.js';
import { FAINT_SCORE, type DetectionResult, type DetectOptions, type Face, type FaceViews } from './recogniser.js';
import type { SurroundingsCropper } from './presentation-scorer.js';
import { VisionModel, type ModelSource } from './vision-model.js';

export interface PipelineModels {
  readonly detector: ModelSource<DetectorSpec>;
  readonly landmarks: ModelSource<LandmarksSpec>;
  readonly embedder: ModelSource<EmbedderSpec>;
}

/** What {@link Pipeline.detect} is asked for. */
interface PipelineDetectOptions extends Pick<DetectOptions, 'faint' | 'tiles'> {
  /** Cuts out what is around a face. */
  readonly crop?: SurroundingsCropper | undefined;
}

interface LoadedModel<Spec> {
  readonly model: VisionModel;
  readonly spec: Spec;
}

/** Where a face's points are, and where the first look had them. */
interface LocatedFace {
  readonly points: FivePoints;
  readonly firstLook?: FivePoints | undefined;
}

type LandmarkRefinement = NonNullable<LandmarksSpec['refinement']>;

interface LoadedModels {
  readonly detector: LoadedModel<DetectorSpec>;
  readonly landmarks: LoadedModel<LandmarksSpec>;
  readonly embedder: LoadedModel<EmbedderSpec>;
}

/**
 * The path from a frame to embeddings, in the thread that calls it; one call at a time. Stages take the loaded
 * frame and a map into it, so that each of them can look at any part of it, turned and scaled at will.
 */
export class Pipeline {
  readonly #models: LoadedModels;
  readonly #resampler = new Resampler();

  private constructor(models: LoadedModels) {
    this.#models = models;
  }

  /** @throws AppError `MODEL.INVALID` */
  static async open({ detector, landmarks, embedder }: PipelineModels, options: SessionOptions): Promise<Pipeline> {
    const load = async <Spec extends DetectorSpec | LandmarksSpec | EmbedderSpec>(
      name: string,
      { bytes, spec }: ModelSource<Spec>,
    ): Promise<LoadedModel<Spec>> => ({ model: await VisionModel.open(name, bytes, spec.input, options), spec });
    const { centre, dimension } = embedder.spec;
    if (centre !== undefined && centre.length !== dimension) {
      throw new AppError('MODEL.INVALID', 'The centre of the embeddings has another dimension than they have.');
    }
    return new Pipeline({
      detector: await load('detector', detector),
      landmarks: await load('landmark model', landmarks),
      embedder: await load('embedder', embedder),
    });
  }

  get sessions(): readonly OnnxSession[] {
    return Object.values(this.#models).map(({ model }: LoadedModel<unknown>) => model.session);
  }

  /**
   * Faces of a frame of any size, largest first. A detection on which no face can be aligned is left out.
   *
   * @throws AppError `FRAME.INVALID`, `MODEL.INVALID`
   */
  async detect(frame: Frame, { crop, ...options }: PipelineDetectOptions = {}): Promise<DetectionResult> {
    return this.withFrame(frame, async (loaded) => {
      const stageMs = { detect: 0, landmarks: 0, align: 0 };
      const timed = async <T>(stage: keyof typeof stageMs, work: () => Promise<T> | T): Promise<T> => {
        const began = systemClock.monotonicMs();
        const result = await work();
        stageMs[stage] += systemClock.monotonicMs() - began;
        return result;
      };
      const { detections, faint } = await timed('detect', () => this.#detections(loaded, options));
      const located = await timed('landmarks', () =>
        this.#locate(
          loaded,
          detections.map(({ box }) => box),
        ),
      );
      const faces = await timed('align', () =>
        detections.flatMap(({ box, score }, index): Face[] => {
          const { points, firstLook } = located[index] ?? {};
          const picture = points && this.align(loaded, points);
          if (points === undefined || picture === undefined) return [];
          const quality = faceQuality(points, picture.luma, firstLook);
          const surroundings = crop?.(loaded, box, quality);
          const face = { box, score, fivePoints: points, aligned: picture.data, quality };
          return [surroundings ? { ...face, surroundings } : face];
        }),
      );
      return { faces, stageMs, ...(faint && { faint }) };
    });
  }

  /**
   * @param aligned as {@link align} returns it
   * @returns a vector of length one
   * @throws AppError `TEMPLATE.INVALID`, `TEMPLATE.WRONG_DIMENSION` when the embedder yields no such vector
   */
  async embed(aligned: Uint8Array, views: FaceViews = 'one'): Promise<Float32Array> {
    const { model, spec } = this.#models.embedder;
    const { width, height } = spec.input;
    if (aligned.length !== width * height * 3) {
      throw new AppError('FACE.NOT_ALIGNED', `An aligned face has ${width} × ${height} pixels of three bytes.`);
    }
    return this.withFrame({ width, height, data: aligned }, async (picture) => {
      const outputs: Float32Array[] = [];
      for (const view of views === 'one' ? [identity] : viewsOf(width)) {
        outputs.push(await model.runSingle(picture, view));
      }
      return embeddingOf(outputs, spec);
    });
  }

  /** Has a frame ready for the stages below while `work` goes on. */
  async withFrame<T>(frame: Frame, work: (loaded: LoadedFrame) => Promise<T>): Promise<T> {
    try {
      return await work(this.#resampler.load(frame));
    } finally {
      this.#resampler.unload();
    }
  }

  /** The detector's outputs as they are, for the part of the frame that `view` shows. */
  async detectorOutputs(frame: LoadedFrame, view: Box): Promise<OutputTensors> {
    const { model, spec } = this.#models.detector;
    return model.run(frame, boxToFrame(view, spec.input.width, spec.input.height));
  }

  /** The landmark model's output, 136 numbers. @param toFrame from pixels of its input to pixels of the frame */
  async landmarkOutput(frame: LoadedFrame, toFrame: Affine): Promise<Float32Array> {
    return this.#models.landmarks.model.runSingle(frame, toFrame);
  }

  /** Warps a face to the embedder's input; undefined when its points coincide. */
  align(frame: LoadedFrame, points: FivePoints): Picture | undefined {
    const { input, alignmentTemplate } = this.#models.embedder.spec;
    const toFrame = alignment(points, alignmentTemplate);
    return toFrame && frame.picture(toFrame, input.width, input.height);
  }

  /** The whole of a frame as the detector sees it. */
  detectorView(frame: Pick<Frame, 'width' | 'height'>): Box {
    return detectorView(frame, this.#models.detector.spec);
  }

  /** What the landmark model sees first of a detector's box. */
  landmarkView(box: Box): LandmarkView {
    const { input, crop } = this.#models.landmarks.spec;
    return { toFrame: boxToFrame(landmarkCrop(box, crop), input.width, input.height), mirrored: false };
  }

  /** @returns the sure ones largest first */
  async #detections(
    frame: LoadedFrame,
    { faint, tiles }: Pick<DetectOptions, 'faint' | 'tiles'>,
  ): Promise<{ readonly detections: readonly Detection[]; readonly faint?: readonly Detection[] }> {
    const { spec } = this.#models.detector;
    const format = faint ? { ...spec, scoreThreshold: Math.min(spec.scoreThreshold, FAINT_SCORE) } : spec;
    const looks: { readonly region: Box; readonly detections: readonly Detection[] }[] = [];
    for (const { region, view } of detectorLooks(frame, format, tiles)) {
      looks.push({ region, detections: decodeDetections(await this.detectorOutputs(frame, view), format, view) });
    }
    const [whole, ...parts] = looks;
    const found = parts.length === 0 ? (whole?.detections ?? []) : mergeLooks(looks, frame, format.nmsThreshold);
    const isSure = ({ score }: Detection): boolean => score >= spec.scoreThreshold;
    const detections = found.filter(isSure).sort((one, other) => area(other.box) - area(one.box));
    return faint ? { detections, faint: found.filter((detection) => !isSure(detection)) } : { detections };
  }

  /**
   * Looks where the boxes are and then, when the spec says so, again where the faces were found: at all of them at
   * once, which takes three quarters of the time.
   */
  async #locate(frame: LoadedFrame, boxes: readonly Box[]): Promise<readonly (LocatedFace | undefined)[]> {
    const first = await this.#landmarks(
      frame,
      boxes.map((box) => this.landmarkView(box)),
    );
    const { refinement } = this.#models.landmarks.spec;
    const firstLooks = first.map((points) => points && fivePointsOf68(points));
    if (refinement === undefined) return firstLooks.map((points) => points && { points });
    const views = firstLooks.map((points) => (points ? this.#refinedViews(points, refinement) : []));
    const looks = await this.#landmarks(frame, views.flat());
    return views.map(({ length }, index) => {
      const found = looks.splice(0, length).filter((points) => points !== undefined);
      if (length === 0 || found.length < length) return undefined;
      return { points: fivePointsOf68(meanLandmarks(found)), firstLook: firstLooks[index] };
    });
  }

  /** None when the points coincide. */
  #refinedViews(points: FivePoints, { centre, side, views }: LandmarkRefinement): LandmarkView[] {
    const { width, height } = this.#models.landmarks.spec.input;
    const fromAligned = alignment(points, this.#models.embedder.spec.alignmentTemplate);
    if (fromAligned === undefined) return [];
    const [x, y] = centre;
    const square = boxToFrame({ x: x - side / 2, y: y - side / 2, width: side, height: side }, width, height);
    const plain: LandmarkView = { toFrame: composeAffine(fromAligned, square), mirrored: false };
    return views.map((view) => (view === 'plain' ? plain : mirrored(plain, width)));
  }

  async #landmarks(frame: LoadedFrame, views: readonly LandmarkView[]): Promise<(Point[] | undefined)[]> {
    const { model, spec } = this.#models.landmarks;
    const outputs = await model.runEach(
      frame,
      views.map(({ toFrame }) => toFrame),
    );
    return views.map((view, index) => landmarksOf(outputs[index] ?? new Float32Array(), view, spec.input));
  }
}

function area({ width, height }: Box): number {
  return width * height;
}

/** How far a face is moved, pixels: about as far as two pictures of one person are aligned differently. */
const MOVED = 2;

/** An aligned face as it is, in a mirror, and moved in each direction. */
function viewsOf(width: number): readonly Affine[] {
  const moves = [-MOVED, MOVED].flatMap((by): Affine[] => [
    { ...identity, c: by },
    { ...identity, f: by },
  ]);
  return [identity, mirrorImage(width), ...moves];
}
