import type { DetectorSpec, EmbedderSpec, InputSpec, LandmarksSpec } from '@sightline/contracts';
import { openSession, Tensor, type OnnxSession } from '@sightline/onnx-runtime';
import type { DetectionResult, Face } from '@sightline/recognition';
import {
  alignment,
  boxToFrame,
  channelCount,
  composeAffine,
  decodeDetections,
  detectorView,
  faceQuality,
  fivePointsOf68,
  landmarkCrop,
  landmarksOf,
  Resampler,
  suppressNonMaxima,
  type Affine,
  type Box,
  type Detection,
  type FivePoints,
  type Frame,
  type LoadedFrame,
  type OutputTensors,
} from '@sightline/vision';

import { enlarged, fuseBoxes, secondLookAt, type BoxRoad } from './box-roads.js';

interface ModelSource<Spec> {
  readonly bytes: Uint8Array;
  readonly spec: Spec;
}

/** The models up to the aligned face, and the road. */
export interface BoxRoadModels {
  readonly detector: ModelSource<DetectorSpec>;
  readonly landmarks: ModelSource<LandmarksSpec>;
  readonly embedder: EmbedderSpec;
  readonly road: BoxRoad;
}

/** A face's points as they were found first and last. */
interface Looks {
  readonly first: FivePoints;
  readonly last: FivePoints;
}

/**
 * The recogniser's way from a frame to aligned faces, but for the road to its boxes, in the thread that calls it. It
 * knows a second landmark look that is plain, no mirrored one.
 */
export class BoxRoadPipeline {
  readonly #data: BoxRoadModels;
  readonly #detector: OnnxSession;
  readonly #landmarks: OnnxSession;
  readonly #resampler = new Resampler();

  private constructor(data: BoxRoadModels, detector: OnnxSession, landmarks: OnnxSession) {
    this.#data = data;
    this.#detector = detector;
    this.#landmarks = landmarks;
  }

  static async open(data: BoxRoadModels): Promise<BoxRoadPipeline> {
    const { detector, landmarks } = data;
    return new BoxRoadPipeline(data, await openSession(detector.bytes), await openSession(landmarks.bytes));
  }

  /** One call at a time. */
  async detect(frame: Frame): Promise<DetectionResult> {
    const loaded = this.#resampler.load(frame);
    const began = performance.now();
    const detections = await this.#detections(loaded);
    const detected = performance.now();
    const points: (Looks | undefined)[] = [];
    for (const { box } of detections) points.push(await this.#fivePoints(loaded, box));
    const located = performance.now();
    const faces = detections.flatMap((detection, index) => {
      const own = points[index];
      return (own && this.#face(loaded, detection, own)) ?? [];
    });
    faces.sort((one, other) => other.box.width * other.box.height - one.box.width * one.box.height);
    const aligned = performance.now();
    this.#resampler.unload();
    return {
      faces,
      stageMs: { detect: detected - began, landmarks: located - detected, align: aligned - located },
    };
  }

  async #detections(frame: LoadedFrame): Promise<Detection[]> {
    const { detector, road } = this.#data;
    const found = await this.#look(frame, detectorView(frame, detector.spec));
    if (road.secondPass === undefined) return found;
    const again: Detection[] = [];
    for (const first of found) {
      again.push(secondLookAt(first, await this.#look(frame, enlarged(first.box, road.secondPass))));
    }
    return suppressNonMaxima(again, detector.spec.nmsThreshold);
  }

  async #look(frame: LoadedFrame, view: Box): Promise<Detection[]> {
    const { detector, road } = this.#data;
    const { input, nmsThreshold } = detector.spec;
    const outputs = await run(this.#detector, frame, boxToFrame(view, input.width, input.height), input);
    if (road.fusedByScore === undefined) return decodeDetections(outputs, detector.spec, view);
    const candidates = decodeDetections(outputs, { ...detector.spec, nmsThreshold: 1 }, view);
    return fuseBoxes(candidates, nmsThreshold, road.fusedByScore);
  }

  async #fivePoints(frame: LoadedFrame, box: Box): Promise<Looks | undefined> {
    const { input, crop, refinement } = this.#data.landmarks.spec;
    const first = await this.#points(frame, boxToFrame(landmarkCrop(box, crop), input.width, input.height));
    if (first === undefined || refinement === undefined) return first && { first, last: first };
    const fromAligned = alignment(first, this.#data.embedder.alignmentTemplate);
    if (fromAligned === undefined) return undefined;
    const [x, y] = refinement.centre;
    const { side } = refinement;
    const square = boxToFrame(
      { x: x - side / 2, y: y - side / 2, width: side, height: side },
      input.width,
      input.height,
    );
    const last = await this.#points(frame, composeAffine(fromAligned, square));
    return last && { first, last };
  }

  async #points(frame: LoadedFrame, toFrame: Affine): Promise<FivePoints | undefined> {
    const { input } = this.#data.landmarks.spec;
    const [output] = Object.values(await run(this.#landmarks, frame, toFrame, input));
    const points = output && landmarksOf(output.data, { toFrame, mirrored: false }, input);
    return points && fivePointsOf68(points);
  }

  #face(frame: LoadedFrame, { box, score }: Detection, { first, last }: Looks): Face | undefined {
    const { input, alignmentTemplate } = this.#data.embedder;
    const toFrame = alignment(last, alignmentTemplate);
    if (toFrame === undefined) return undefined;
    const { data, luma } = frame.picture(toFrame, input.width, input.height);
    return { box, score, fivePoints: last, aligned: data, quality: faceQuality(last, luma, first) };
  }
}

async function run(
  session: OnnxSession,
  frame: LoadedFrame,
  toFrame: Affine,
  format: InputSpec,
): Promise<OutputTensors> {
  const shape = [1, channelCount(format), format.height, format.width];
  const input = new Tensor('float32', frame.tensor(toFrame, format), shape);
  const outputs = await session.run({ [session.inputs[0]?.name ?? '']: input });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data, dims }]) => [name, { data: data as Float32Array, shape: dims }]),
  );
}
