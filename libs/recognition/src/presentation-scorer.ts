import type { PresentationAttackSpec } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import type { OnnxSession, SessionOptions } from '@sightline/onnx-runtime';
import { identity, presentationView, Resampler, type Box, type LoadedFrame } from '@sightline/vision';

import { VisionModel, type ModelSource } from './vision-model.js';

/** Cuts out what is around a face, if the face is good enough to be scored. */
export type SurroundingsCropper = (frame: LoadedFrame, box: Box, quality: number) => Uint8Array | undefined;

/** Presentation-attack detection in the thread that calls it; one call at a time. */
export class PresentationScorer {
  readonly #model: VisionModel;
  readonly #spec: PresentationAttackSpec;
  readonly #resampler = new Resampler();

  private constructor(model: VisionModel, spec: PresentationAttackSpec) {
    this.#model = model;
    this.#spec = spec;
  }

  /** @throws AppError `MODEL.INVALID` */
  static async open(
    { bytes, spec }: ModelSource<PresentationAttackSpec>,
    options: SessionOptions,
  ): Promise<PresentationScorer> {
    return new PresentationScorer(
      await VisionModel.open('presentation-attack model', bytes, spec.input, options),
      spec,
    );
  }

  get session(): OnnxSession {
    return this.#model.session;
  }

  cropper(minimumQuality: number): SurroundingsCropper {
    return (frame, box, quality) => (quality < minimumQuality ? undefined : this.surroundings(frame, box));
  }

  /** `width × height × 3` bytes of the model's input, RGB. */
  surroundings(frame: LoadedFrame, box: Box): Uint8Array {
    const { input } = this.#spec;
    return frame.picture(presentationView(box, frame, this.#spec), input.width, input.height).data;
  }

  /**
   * @param faces as {@link surroundings} returns them; all in one run of the model
   * @returns one score for each, 0 to 1
   * @throws AppError `PRESENTATION.UNAVAILABLE` for a crop of another size, `MODEL.INVALID` when the model does not
   *   answer with finite values, that of a live face among them
   */
  async liveScores(faces: readonly Uint8Array[]): Promise<readonly number[]> {
    const outputs = await this.outputs(faces);
    return outputs.map((values) => shareOf(values, this.#spec.liveIndex));
  }

  /** The model's answers as they are, one for each face. */
  async outputs(faces: readonly Uint8Array[]): Promise<readonly Float32Array[]> {
    const { width, height } = this.#spec.input;
    const bytes = width * height * 3;
    if (faces.some(({ length }) => length !== bytes)) {
      throw new AppError('PRESENTATION.UNAVAILABLE', `Surroundings have ${width} × ${height} pixels of three bytes.`);
    }
    // One above the other they are one picture, of which the model is shown each part.
    const data = new Uint8Array(faces.length * bytes);
    faces.forEach((face, index) => data.set(face, index * bytes));
    try {
      const frame = this.#resampler.load({ width, height: height * faces.length, data });
      const views = faces.map((_, index) => ({ ...identity, f: index * height }));
      return await this.#model.runEach(frame, views);
    } finally {
      this.#resampler.unload();
    }
  }
}

/** One of the softmax of a classifier's outputs: Bridle, "Probabilistic interpretation of feedforward …", 1990. */
function shareOf(logits: Float32Array, index: number): number {
  const own = logits[index];
  if (own === undefined || !logits.every((logit) => Number.isFinite(logit))) {
    throw new AppError('MODEL.INVALID', 'The presentation-attack model does not answer as its manifest states.');
  }
  return 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - own), 0);
}
