import { AppError } from '@sightline/kernel';
import { openSession, Tensor, type OnnxSession, type SessionOptions } from '@sightline/onnx-runtime';
import {
  channelCount,
  type Affine,
  type InputFormat,
  type LoadedFrame,
  type OutputTensor,
  type OutputTensors,
} from '@sightline/vision';

/** A model file together with its spec: what one worker needs of a bundle. */
export interface ModelSource<Spec> {
  readonly bytes: Uint8Array;
  readonly spec: Spec;
}

/** A crowd's faces go through a model in parts, so that its memory stays small: more at once win no time. */
const LARGEST_BATCH = 16;

/** A model that takes pictures: its session and how pixels become its input. */
export class VisionModel {
  readonly session: OnnxSession;
  readonly #name: string;
  readonly #inputName: string;
  readonly #format: InputFormat;
  readonly #largestBatch: number;

  private constructor(name: string, session: OnnxSession, inputName: string, format: InputFormat) {
    this.#name = name;
    this.session = session;
    this.#inputName = inputName;
    this.#format = format;
    const batch = session.inputs[0]?.shape[0];
    this.#largestBatch = typeof batch === 'number' && batch > 0 ? batch : LARGEST_BATCH;
  }

  /**
   * Loads a model and holds it against its manifest.
   *
   * @param name for errors
   * @throws AppError `MODEL.INVALID` when it cannot be loaded, or its input is not the manifest's
   */
  static async open(
    name: string,
    bytes: Uint8Array,
    format: InputFormat,
    options: SessionOptions,
  ): Promise<VisionModel> {
    const session = await openSession(bytes, options);
    const [input, ...more] = session.inputs;
    const expected = [1, channelCount(format), format.height, format.width];
    const fits =
      input?.type === 'float32' &&
      more.length === 0 &&
      input.shape.length === expected.length &&
      input.shape.every((size, axis) => typeof size === 'string' || size < 0 || size === expected[axis]);
    if (!fits) {
      await session.release();
      throw new AppError('MODEL.INVALID', `The ${name} does not take the input that its manifest describes.`, {
        details: { expected: expected.join('×'), actual: input?.shape.join('×') ?? 'none' },
      });
    }
    return new VisionModel(name, session, input.name, format);
  }

  /**
   * @param toFrame from pixels of the input to pixels of the frame; of several inputs only where the model takes them
   * @throws AppError `MODEL.INVALID` when the model fails on it, or answers anything but float32
   */
  async run(frame: LoadedFrame, ...toFrame: readonly Affine[]): Promise<OutputTensors> {
    const { height, width } = this.#format;
    const shape = [toFrame.length, channelCount(this.#format), height, width];
    const input = new Tensor('float32', frame.tensors(toFrame, this.#format), shape);
    const outputs = await this.session.run({ [this.#inputName]: input }).catch((error: unknown) => {
      throw new AppError('MODEL.INVALID', `The ${this.#name} cannot be run.`, { cause: error });
    });
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, this.#floats(tensor)]));
  }

  /** As {@link run}, for a model with a single output. */
  async runSingle(frame: LoadedFrame, toFrame: Affine): Promise<Float32Array> {
    const [output] = await this.runEach(frame, [toFrame]);
    if (output === undefined) throw this.#notSingle();
    return output;
  }

  /** As {@link runSingle}, on several inputs: at once if the model takes them. @returns one output for each */
  async runEach(frame: LoadedFrame, toFrame: readonly Affine[]): Promise<readonly Float32Array[]> {
    const results: Float32Array[] = [];
    for (let first = 0; first < toFrame.length; first += this.#largestBatch) {
      const batch = toFrame.slice(first, first + this.#largestBatch);
      const [output, ...more] = Object.values(await this.run(frame, ...batch));
      if (output === undefined || more.length > 0 || output.data.length % batch.length !== 0) throw this.#notSingle();
      const length = output.data.length / batch.length;
      results.push(...batch.map((_, index) => output.data.subarray(index * length, (index + 1) * length)));
    }
    return results;
  }

  #notSingle(): AppError {
    return new AppError('MODEL.INVALID', `The ${this.#name} must have exactly one output for each input.`);
  }

  #floats({ data, dims }: Tensor): OutputTensor {
    if (data instanceof Float32Array) return { data, shape: dims };
    throw new AppError('MODEL.INVALID', `The ${this.#name} has an output that is not float32.`);
  }
}
